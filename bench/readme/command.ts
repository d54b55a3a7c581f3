/** `npm run bench -- readme`: has the repository's README show the newest reports of docs/benchmarks. */
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { sourceFile } from '../../test/broker/package-root.js'
import { withNewestReports } from './section.js'

export function readmeCommand(): Command {
  return new Command('readme')
    .description('has README.md show the newest reports of docs/benchmarks')
    .action(async () => {
      const root = dirname(sourceFile('package.json'))
      const file = join(root, 'README.md')
      await writeFile(file, await withNewestReports(await readFile(file, 'utf8'), root))
    })
}

/** The README shows the newest reports, and nothing that is not there. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sourceFile } from '../../test/broker/package-root.js'
import { withNewestReports } from './section.js'

const README = '# laneway\n\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\n\nmore\n'

function reportOf(scenario: string, keyFigure: string): string {
  const rest = { title: `The ${scenario}`, commandLine: '', startedAt: '', seconds: 1, faults: [] }
  return JSON.stringify({ scenario, keyFigure, ...rest })
}

async function inFolder(files: Readonly<Record<string, string>>, body: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'laneway-readme-'))
  try {
    await mkdir(join(root, 'docs/benchmarks'), { recursive: true })
    for (const [name, text] of Object.entries(files)) {
      const file = join(root, 'docs/benchmarks', name)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    }
    await body(root)
  } finally {
    await rm(root, { recursive: true })
  }
}

test('the newest folder is shown, with the charts that it has', async () => {
  const files = {
    'README.md': '',
    '2026-01-31-old/latency.json': reportOf('latency', 'slow'),
    '2026-02-01-new/latency.json': reportOf('latency', 'fast'),
    '2026-02-01-new/throughput.json': reportOf('throughput', 'much'),
    '2026-02-01-new/throughput-100-b-lz4.svg': '<svg/>',
  }
  await inFolder(files, async (root) => {
    const shown = await withNewestReports(README, root)
    const folder = 'docs/benchmarks/2026-02-01-new'
    assert.ok(
      shown.startsWith('# laneway\n\n<!-- benchmarks -->\n![') && shown.endsWith('<!-- /benchmarks -->\n\nmore\n'),
    )
    const links = [...shown.matchAll(/\]\((.*?)\)/g)].map(([, link]) => link)
    assert.equal(links, [
      `${folder}/throughput-100-b-lz4.svg`,
      `${folder}/throughput.md`,
      `${folder}/latency.md`,
      `${folder}/README.md`,
    ])
    assert.match(shown, /fast/)
    assert.not.match(shown, /slow|old/)
    assert.is(await withNewestReports(shown, root), shown)
  })
})

test('a README without the section is refused, and so is a repository without reports', async () => {
  await inFolder({ 'README.md': '' }, async (root) => {
    for (const [readme, reason] of [
      ['# laneway', /no section/],
      [README, /no folder of reports/],
    ] as const) {
      try {
        await withNewestReports(readme, root)
        assert.unreachable()
      } catch (error) {
        assert.match(String(error), reason)
      }
    }
  })
})

const root = dirname(sourceFile('package.json'))
const readme = join(root, 'README.md')
const repositoryTest = existsSync(readme) ? test : test.skip

repositoryTest('the README of the repository is up to date: else "npm run bench -- readme" makes it so', async () => {
  const written = await readFile(readme, 'utf8')
  assert.is(written, await withNewestReports(written, root))
})

repositoryTest('what the README and the pages of benchmarks link to in their folder is there', async () => {
  for (const page of ['README.md', 'docs/benchmarks/README.md']) {
    const text = await readFile(join(root, page), 'utf8')
    const links = [...text.matchAll(/\]\(([^)#]*)\)/g)].map(([, link = '']) => link)
    const missing = links.filter((link) => !link.startsWith('http') && !existsSync(join(root, dirname(page), link)))
    assert.equal(missing, [], page)
  }
})

test.run()

/** The Go SDK does all that an SDK must do. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sourceFile } from '../broker/package-root.js'
import { runConformance } from './conformance.js'
import type { Program } from './scene.js'

/** The worker program, built into a folder that goes when this process does; or why there is none. */
function builtProgram(): Program | string {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' })
  } catch {
    return 'there is no go on the PATH (https://go.dev/dl)'
  }
  const folder = mkdtempSync(join(tmpdir(), 'laneway-go-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const command = join(folder, 'obey')
  execFileSync('go', ['build', '-o', command, './internal/conformance'], {
    cwd: sourceFile('workers/go'),
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return { command, args: [] }
}

runConformance('Go', builtProgram())

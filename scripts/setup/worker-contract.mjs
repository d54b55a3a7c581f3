/**
 * Generates the code of the contract with workers: proto/ becomes ts/contracts/generated/worker.js and its types, which
 * are not committed and never edited. tsc compiles against the types; the code itself is copied beside what it compiles.
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.mjs'
import { distDir, nodeModules, root } from './paths.mjs'
import { step } from './progress.mjs'
import { digestOfPaths, Stamp } from './stamp.mjs'

const source = join(root, 'proto', 'laneway', 'worker', 'v1', 'worker.proto')
const generatedDir = join(root, 'ts', 'contracts', 'generated')
const code = join(generatedDir, 'worker.js')
const types = join(generatedDir, 'worker.d.ts')

/** Only what is used: messages that can be encoded and decoded. */
const LEFT_OUT = ['service', 'create', 'verify', 'convert', 'delimited', 'typeurl'].map((part) => `--no-${part}`)

export async function generateWorkerContract() {
  const stamp = new Stamp('worker-contract')
  const inputs = digestOfPaths([source, join(root, 'package-lock.json'), import.meta.filename])
  if (stamp.read() === inputs && existsSync(code) && existsSync(types)) return
  await step('generating the contract with workers', async () => {
    stamp.clear()
    mkdirSync(generatedDir, { recursive: true })
    const pbjs = join(nodeModules, 'protobufjs-cli', 'bin', 'pbjs')
    const shape = ['--target', 'static-module', '--wrap', 'esm', '--dts', '--root', 'laneway.worker.v1']
    await run('pbjs', process.execPath, [pbjs, ...shape, ...LEFT_OUT, '--out', code, source])
    stamp.write(inputs)
  })
}

/** To be called when tsc has written dist. */
export function copyWorkerContract() {
  const into = join(distDir, 'contracts', 'generated')
  mkdirSync(into, { recursive: true })
  copyFileSync(code, join(into, 'worker.js'))
  copyFileSync(types, join(into, 'worker.d.ts'))
}

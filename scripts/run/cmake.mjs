/** Configures and builds one of the extra CMake builds (sanitizers, fuzzing) under build/. */
import { join } from 'node:path'
import { jobs, run } from '../setup/command.mjs'
import { buildDir, root } from '../setup/paths.mjs'
import { orExplain, step } from '../setup/progress.mjs'

/**
 * @param {string} name of the folder under build/
 * @param {Record<string, string>} options CMake's -D
 * @param {string} [target]
 * @returns {Promise<string>} the folder that holds the programs; where the build fails, the process ends
 */
export async function cmakeBuild(name, options, target = 'all') {
  const folder = join(buildDir, name)
  const definitions = Object.entries({ LANEWAY_NODE: process.execPath, ...options }).map(
    ([option, value]) => `-D${option}=${value}`,
  )
  const build = async () => {
    await run(`${name}-configure`, 'cmake', ['-S', root, '-B', folder, ...definitions])
    await run(`${name}-build`, 'cmake', ['--build', folder, '--target', target, '--parallel', String(jobs)])
  }
  await orExplain(() => step(`building ${name}`, build))
  return join(folder, 'bin')
}

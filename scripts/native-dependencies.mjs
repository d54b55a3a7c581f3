/**
 * Answers the builds' questions about librdkafka, zstd and the headers of Node: CMakeLists.txt and binding.gyp ask here,
 * so that no path is written twice.
 *
 *   node scripts/native-dependencies.mjs cmake [VARIANT]   set(...) lines; VARIANT: with a sanitizer, e.g. thread
 *   node scripts/native-dependencies.mjs include-dirs      one path a line
 *   node scripts/native-dependencies.mjs libraries         in link order
 *   node scripts/native-dependencies.mjs sources           native/sources.txt without comments
 *
 * It builds nothing: `npm run build` does, and `npm run sanitize` the variants.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { chosenNativeDependencies } from './setup/native-dependencies.mjs'
import { nodeModules, root } from './setup/paths.mjs'
import { SetupError } from './setup/progress.mjs'

const SYSTEM_LIBRARIES = process.platform === 'darwin' ? ['-lm'] : ['-lm', '-ldl', '-lrt', '-pthread']

/** @param {string} [variant] */
function dependencies(variant = 'plain') {
  const chosen = chosenNativeDependencies(variant)
  const command = variant === 'plain' ? 'build' : 'sanitize'
  if (!chosen) throw new SetupError(`librdkafka is not built yet: run \`npm run ${command}\` first`)
  return chosen
}

/** @returns {string[]} */
function includeDirs() {
  const ofNode = [join(nodeModules, 'node-api-headers', 'include'), join(nodeModules, 'node-addon-api')]
  return [...dependencies().includeDirs, ...ofNode]
}

/** @returns {string[]} */
function libraries() {
  const { librdkafka, zstd, tlsLibraries } = dependencies()
  return [librdkafka, zstd, ...tlsLibraries, ...SYSTEM_LIBRARIES]
}

/** @returns {string[]} */
function sources() {
  const lines = readFileSync(join(root, 'native', 'sources.txt'), 'utf8').split('\n')
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
}

/**
 * @param {string} [variant]
 * @returns {string[]}
 */
function cmake(variant) {
  const { librdkafka, librdkafkaVersion, zstd, tlsLibraries, tlsIsStatic, includeDirs: include } = dependencies(variant)
  const values = {
    LANEWAY_DEPENDENCY_INCLUDES: include.join(';'),
    LANEWAY_LIBRDKAFKA: librdkafka,
    LANEWAY_LIBRDKAFKA_VERSION: librdkafkaVersion,
    LANEWAY_ZSTD: zstd,
    LANEWAY_TLS: tlsLibraries.join(';'),
    LANEWAY_TLS_IS_STATIC: tlsIsStatic ? 'ON' : 'OFF',
    LANEWAY_SYSTEM_LIBRARIES: SYSTEM_LIBRARIES.join(';'),
    LANEWAY_NODE_INCLUDES: includeDirs().slice(include.length).join(';'),
  }
  return Object.entries(values).map(([name, value]) => `set(${name} "${value}")`)
}

/** @type {Record<string, (variant?: string) => string[]>} */
const questions = { cmake, 'include-dirs': includeDirs, libraries, sources }

try {
  const answer = questions[process.argv[2] ?? '']
  if (!answer) throw new SetupError(`ask one of: ${Object.keys(questions).join(', ')}`)
  process.stdout.write(`${answer(process.argv[3]).join('\n')}\n`)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}

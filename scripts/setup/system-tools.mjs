/**
 * What must be on the system: a compiler that really compiles C++20, make, CMake, Python 3 (librdkafka's and
 * node-gyp's configuration), and the headers of OpenSSL and zlib; GoogleTest for the tests. Everything that is missing
 * is named at once, with the one command that installs it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture } from './command.mjs'
import { root } from './paths.mjs'
import { SetupError } from './progress.mjs'
import { digest, Stamp } from './stamp.mjs'

const CMAKE_OLDEST = [3, 20]

/** @typedef {'apt' | 'dnf' | 'apk' | 'brew'} PackageManager */

/**
 * @typedef {object} Requirement
 * @property {string} what for a person
 * @property {() => boolean} isThere
 * @property {Record<PackageManager, string>} packages
 * @property {boolean} [testsOnly]
 */

export const compilers = { c: process.env['CC'] || 'cc', cxx: process.env['CXX'] || 'c++' }

/** @type {readonly Requirement[]} */
const requirements = [
  {
    what: 'a C compiler',
    isThere: () => compiles(compilers.c, 'c', [], '#include <stdint.h>\nint main(void) { return 0; }'),
    packages: { apt: 'gcc libc6-dev', dnf: 'gcc', apk: 'gcc musl-dev', brew: 'llvm' },
  },
  {
    what: 'a C++20 compiler with its standard library (GCC 11, Clang 14 or newer)',
    isThere: () => compiles(compilers.cxx, 'c++', ['-std=c++20'], CXX20_PROBE),
    packages: { apt: 'g++', dnf: 'gcc-c++ libstdc++-static', apk: 'g++', brew: 'llvm' },
  },
  {
    what: 'make',
    isThere: () => capture('make', ['--version']) !== null,
    packages: { apt: 'make', dnf: 'make', apk: 'make', brew: 'make' },
  },
  {
    what: `CMake ${CMAKE_OLDEST.join('.')} or newer`,
    isThere: isCmakeRecent,
    packages: { apt: 'cmake', dnf: 'cmake', apk: 'cmake', brew: 'cmake' },
  },
  {
    what: 'Python 3',
    isThere: () => capture('python3', ['--version']) !== null,
    packages: { apt: 'python3', dnf: 'python3', apk: 'python3', brew: 'python3' },
  },
  {
    what: 'bash (for the configuration of librdkafka)',
    isThere: () => capture('bash', ['--version']) !== null,
    packages: { apt: 'bash', dnf: 'bash', apk: 'bash', brew: 'bash' },
  },
  {
    what: 'the headers of OpenSSL (1.1.1 or newer)',
    isThere: () => links(['-lssl', '-lcrypto'], '#include <openssl/ssl.h>', '(void)TLS_method()'),
    packages: {
      apt: 'libssl-dev',
      dnf: 'openssl-devel',
      apk: 'openssl-dev openssl-libs-static',
      brew: 'openssl@3',
    },
  },
  {
    what: 'the headers of zlib',
    isThere: () => links(['-lz'], '#include <zlib.h>', '(void)zlibVersion()'),
    packages: { apt: 'zlib1g-dev', dnf: 'zlib-devel zlib-static', apk: 'zlib-dev zlib-static', brew: 'zlib' },
  },
  {
    what: 'GoogleTest (for the tests)',
    isThere: () => compiles(compilers.cxx, 'c++', ['-std=c++20', '-fsyntax-only'], '#include <gtest/gtest.h>'),
    packages: { apt: 'libgtest-dev', dnf: 'gtest-devel', apk: 'gtest-dev', brew: 'googletest' },
    testsOnly: true,
  },
]

const CXX20_PROBE = `
#include <bit>
#include <concepts>
#include <span>
#include <string>
#include <thread>
template <std::integral T> constexpr T twice(T value) { return value * 2; }
struct Point { int x = 0, y = 0; auto operator<=>(const Point&) const = default; };
int main() {
  std::string text(static_cast<size_t>(twice(std::popcount(7u))), 'x');
  std::span<char> view(text);
  std::jthread worker([&] { view[0] = 'y'; });
  return Point{.x = 1, .y = 2} == Point{} ? 1 : 0;
}
`

/**
 * Checks the system and throws a {@link SetupError} that lists all that is missing.
 * @param {{ tests: boolean }} options
 */
export function checkSystemTools(options) {
  checkNode()
  const stamp = new Stamp(options.tests ? 'system-with-tests' : 'system')
  const seen = digest([process.env['PATH'], compilers.c, compilers.cxx, process.version].join('\n'))
  if (stamp.read() === seen) return
  const missing = requirements.filter((each) => (options.tests || !each.testsOnly) && !each.isThere())
  if (missing.length > 0) throw new SetupError(describeMissing(missing))
  stamp.write(seen)
}

/** What a build failure may come from: forget that the tools were there. */
export function forgetSystemTools() {
  new Stamp('system').clear()
  new Stamp('system-with-tests').clear()
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isSupported = (major === 20 && minor >= 17) || (major === 22 && minor >= 9) || major > 22
  if (isSupported) return
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node
  throw new SetupError(`laneway needs Node ${wanted}; this is ${process.version}`)
}

/** @returns {boolean} */
function isCmakeRecent() {
  const version = capture('cmake', ['--version'])?.match(/(\d+)\.(\d+)/)
  if (!version) return false
  const [major, minor] = [Number(version[1]), Number(version[2])]
  const [oldestMajor = 0, oldestMinor = 0] = CMAKE_OLDEST
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}

/**
 * @param {string} compiler
 * @param {string} language
 * @param {readonly string[]} flags
 * @param {string} source
 * @returns {boolean}
 */
function compiles(compiler, language, flags, source) {
  const folder = mkdtempSync(join(tmpdir(), 'laneway-probe-'))
  try {
    const args = ['-x', language, ...flags.filter((flag) => !flag.startsWith('-l')), '-', '-o', join(folder, 'probe')]
    const libraries = flags.filter((flag) => flag.startsWith('-l'))
    return capture(compiler, [...args, '-pthread', ...libraries], source) !== null
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * @param {readonly string[]} libraries
 * @param {string} include
 * @param {string} expression
 * @returns {boolean}
 */
function links(libraries, include, expression) {
  return compiles(compilers.c, 'c', libraries, `${include}\nint main(void) { ${expression}; return 0; }`)
}

/**
 * @param {readonly Requirement[]} missing
 * @returns {string}
 */
function describeMissing(missing) {
  const list = missing.map((each) => `  - ${each.what}`).join('\n')
  return `laneway cannot be built here. Missing on this system:\n${list}\n\n${installAdvice(missing)}\n`
}

/**
 * @param {readonly Requirement[]} missing
 * @returns {string}
 */
function installAdvice(missing) {
  const manager = detectPackageManager()
  if (!manager) return `Install them with your system's package manager (Debian's names: ${names(missing, 'apt')}).`
  const asRoot = process.getuid?.() === 0 ? '' : 'sudo '
  const commands = {
    apt: `${asRoot}apt-get update && ${asRoot}apt-get install -y`,
    dnf: `${asRoot}dnf install -y`,
    apk: `${asRoot}apk add`,
    brew: 'brew install',
  }
  return `Install with:\n  ${commands[manager]} ${names(missing, manager)}`
}

/**
 * @param {readonly Requirement[]} missing
 * @param {PackageManager} manager
 * @returns {string}
 */
function names(missing, manager) {
  return [...new Set(missing.flatMap((each) => each.packages[manager].split(' ')))].join(' ')
}

/** @returns {PackageManager | null} */
function detectPackageManager() {
  if (capture('apt-get', ['--version']) !== null) return 'apt'
  if (capture('dnf', ['--version']) !== null) return 'dnf'
  if (capture('apk', ['--version']) !== null) return 'apk'
  if (capture('brew', ['--version']) !== null) return 'brew'
  return null
}

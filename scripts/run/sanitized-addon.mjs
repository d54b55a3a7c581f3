/**
 * Runs compiled tests in Node with an addon that is compiled with a sanitizer.
 *
 * Node itself is not instrumented: the sanitizer's runtime is preloaded, and sees every allocation and lock of the
 * process but only the addon's accesses. What it then says of V8 and libuv is noise (their atomics are invisible, and
 * process.exit() leaves all of V8 behind as leaked), so that reports go to files, one for each process, and only those
 * about the addon's own code and memory count: docs/decisions/0010-sanitizers.md.
 *
 * The addon is found by its place beside the compiled code: a copy of what is compiled is laid out around it.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import { capture } from '../setup/command.mjs'
import { buildDir, distDir, root } from '../setup/paths.mjs'
import { SetupError } from '../setup/progress.mjs'
import { compilers } from '../setup/system-tools.mjs'
import { inParallel } from './in-parallel.mjs'
import { findTestFiles, runUvuFile } from './uvu-tests.mjs'

/** @typedef {import('./tally.mjs').Count} Count */

/**
 * @typedef {object} Preloaded
 * @property {string[]} runtimes
 * @property {(report: string) => Record<string, string>} env report: path of the report files, without the process id
 * @property {(text: string) => string[]} findings the reports of a report file that count
 */

const DEADLINE_MS = 8 * 60_000
/** Most of the tests wait for processes and timers. */
const JOBS = 2
/** Of the engine contract's largest case: a tenth, because everything takes longer. */
const CONTRACT_MESSAGES = '10000'
const ADDON = 'laneway.node'
/** Every frame names its module, as ThreadSanitizer's do; by default those with a known source line do not. */
const WITH_MODULES = 'stack_trace_format="    #%n %p in %f %S %M"'
const TSAN_SUPPRESSIONS = join(root, 'native', 'test', 'thread-sanitizer.supp')

/** @type {Record<'address' | 'thread', Preloaded>} */
const preloaded = {
  address: {
    runtimes: ['libasan.so', 'libubsan.so'],
    env: (report) => ({
      // A leak must not change how a process ends, because V8's would; any other error ends it with SIGABRT.
      ASAN_OPTIONS: `detect_leaks=1:abort_on_error=1:strict_string_checks=1:${WITH_MODULES}:log_path=${report}`,
      LSAN_OPTIONS: 'exitcode=0',
      UBSAN_OPTIONS: `print_stacktrace=1:${WITH_MODULES}:log_path=${report}`,
    }),
    findings: errorsAndLeaks,
  },
  thread: {
    runtimes: ['libtsan.so'],
    env: (report) => ({
      TSAN_OPTIONS: `halt_on_error=0:exitcode=0:second_deadlock_stack=1:log_path=${report}`,
    }),
    findings: races,
  },
}

/**
 * @param {'address' | 'thread'} sanitizer
 * @param {string} folder the CMake build that holds the addon
 * @param {readonly string[]} tests the folders of tests under test/
 * @returns {Promise<Count>} the tests' own, and one more failure where the sanitizer has found something
 */
export async function runWithSanitizedAddon(sanitizer, folder, tests) {
  const { runtimes, env, findings } = preloaded[sanitizer]
  const staged = join(folder, 'package')
  const reports = join(folder, 'reports')
  stage(folder, staged)
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports)
  const environment = {
    LD_PRELOAD: runtimes.map(findRuntime).join(' '),
    LANEWAY_CONTRACT_MESSAGES: CONTRACT_MESSAGES,
    ...env(join(reports, 'report')),
  }
  const sum = { passed: 0, failed: 0, skipped: 0 }
  const files = tests.flatMap((name) => findTestFiles(join(staged, 'build', 'js', 'test', name)))
  await inParallel(files, JOBS, async (file) => {
    const options = { base: staged, deadlineMs: DEADLINE_MS, env: environment, besideOthers: true }
    const count = await runUvuFile(file, options)
    sum.passed += count.passed
    sum.failed += count.failed
    sum.skipped += count.skipped
  })
  const found = readdirSync(reports).flatMap((name) => {
    const file = join(reports, name)
    return findings(readFileSync(file, 'utf8'))
      .map((finding) => withNames(finding, join(folder, ADDON)))
      .filter((finding) => !isSuppressed(finding))
      .map((finding) => `${relative(root, file)}:\n${finding}\n\n`)
  })
  process.stdout.write(found.join(''))
  return found.length === 0 ? sum : { ...sum, failed: sum.failed + 1 }
}

/**
 * A package like the checkout: dist/ and build/js as compiled, with the sanitized addon where ts/native.ts looks first.
 * Copies, not links out of it: Node resolves links, and would find the other addon.
 * @param {string} folder
 * @param {string} staged
 */
function stage(folder, staged) {
  rmSync(staged, { recursive: true, force: true })
  mkdirSync(join(staged, 'build', 'Release'), { recursive: true })
  cpSync(join(root, 'package.json'), join(staged, 'package.json'))
  cpSync(distDir, join(staged, 'dist'), { recursive: true })
  cpSync(join(buildDir, 'js', 'test'), join(staged, 'build', 'js', 'test'), { recursive: true })
  // As in the checkout (scripts/setup/typescript.mjs).
  symlinkSync(join('..', '..', 'dist'), join(staged, 'build', 'js', 'ts'))
  cpSync(join(folder, ADDON), join(staged, 'build', 'Release', ADDON))
}

/**
 * @param {string} name
 * @returns {string}
 */
function findRuntime(name) {
  const path = capture(compilers.cxx, [`-print-file-name=${name}`])?.trim() ?? name
  if (path === name || !existsSync(path)) throw new SetupError(`${compilers.cxx} has no ${name} to preload`)
  return path
}

/**
 * Any error (an access of V8's is not seen, so that it is ours), and leaks of what the addon allocated.
 * @param {string} text
 * @returns {string[]}
 */
function errorsAndLeaks(text) {
  if (/ERROR: AddressSanitizer|runtime error:|LeakSanitizer has encountered a fatal error/.test(text)) return [text]
  return text.split(/\n{2,}/).filter((part) => /leak of \d+ byte/.test(part) && moduleOf(part) === ADDON)
}

/**
 * Reports in which the addon's code did one of the accesses.
 * @param {string} text
 * @returns {string[]}
 */
function races(text) {
  return text
    .split(/^={18}$/m)
    .filter((part) => /(?:WARNING|ERROR): ThreadSanitizer/.test(part))
    .filter((part) => {
      const [accesses = ''] = part.split(/^ {2}(?:Location is|Mutex M|Thread T|As if synchronized)/m)
      return accesses.split(/\n{2,}/).some((stack) => moduleOf(stack) === ADDON)
    })
}

/**
 * Whose code this was: the module of a stack's first frame that is not of the sanitizer, the C or the C++ library.
 * @param {string} stack
 * @returns {string | undefined}
 */
function moduleOf(stack) {
  return [...stack.matchAll(/^ +#\d+ .*\((\S+?)\+0x[0-9a-f]+\)$/gm)]
    .map(([, module]) => module)
    .find((module) => !/^lib(asan|ubsan|tsan|c|stdc\+\+|pthread)\.so/.test(module ?? ''))
}

/**
 * The runtimes of GCC know the modules that were there when they started, and the addon comes later.
 * @param {string} report
 * @param {string} addon
 * @returns {string}
 */
function withNames(report, addon) {
  return report.replace(/<null> <null> \(\S*laneway\.node\+(0x[0-9a-f]+)\)/g, (_, offset) => {
    const lines = capture('addr2line', ['-Cfpi', '-e', addon, offset])?.trim().split('\n') ?? []
    return `${lines.map((line) => line.trim()).join(' ')} (${ADDON}+${offset})`
  })
}

/**
 * For the same reason the runtime cannot apply the list of races that are librdkafka's own.
 * @param {string} report
 * @returns {boolean}
 */
function isSuppressed(report) {
  const functions = [...readFileSync(TSAN_SUPPRESSIONS, 'utf8').matchAll(/^race:(\w+)$/gm)].map(([, name]) => name)
  return functions.some((name) => new RegExp(`WARNING: ThreadSanitizer: data race[^]*\\b${name} at `).test(report))
}

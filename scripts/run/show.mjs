/** Runs a program with its output on the terminal, and keeps that output to be read for what it reports. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { root } from '../setup/paths.mjs'

/** Between the request to stop and the kill of a program that passed its deadline. */
const GRACE_MS = 5_000

/**
 * @typedef {object} Ending
 * @property {number} status the exit code; 128 + N after signal N, 127 where the program cannot be run
 * @property {string} output stdout and stderr, as they came
 */

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {Record<string, string>} [options.env] added to the environment
 * @param {number} [options.deadlineMs] the program is stopped then
 * @param {boolean} [options.quiet] nothing on the terminal
 * @param {string} [options.cwd]
 * @returns {Promise<Ending>}
 */
export function show(program, args, { env = {}, deadlineMs, quiet = false, cwd = root } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const keep = (/** @type {Buffer} */ chunk) => {
      output += chunk.toString()
      if (!quiet) process.stdout.write(chunk)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const timers = deadlineMs === undefined ? [] : stopLater(child, deadlineMs, keep)
    child.once('error', (error) => resolve({ status: 127, output: `${output}${error.message}\n` }))
    child.once('close', (code, signal) => {
      for (const timer of timers) clearTimeout(timer)
      resolve({ status: code ?? 128 + (signal ? constants.signals[signal] : 0), output })
    })
  })
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {number} deadlineMs
 * @param {(chunk: Buffer) => void} tell
 * @returns {NodeJS.Timeout[]}
 */
function stopLater(child, deadlineMs, tell) {
  const stop = setTimeout(() => {
    tell(Buffer.from(`\nstill running after ${deadlineMs / 1000} s: stopped\n`))
    child.kill('SIGTERM')
  }, deadlineMs)
  const kill = setTimeout(() => child.kill('SIGKILL'), deadlineMs + GRACE_MS)
  return [stop, kill]
}

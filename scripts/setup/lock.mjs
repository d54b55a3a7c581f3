/**
 * One builder at a time, between processes: a file that holds the builder's process id. A lock whose process is gone
 * is taken over.
 */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { say } from './progress.mjs'

const POLL_MS = 200

/**
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, work) {
  await acquire(file)
  try {
    return await work()
  } finally {
    rmSync(file, { force: true })
  }
}

/** @param {string} file */
async function acquire(file) {
  mkdirSync(dirname(file), { recursive: true })
  let told = false
  while (!tryToTake(file)) {
    const owner = ownerOf(file)
    if (owner !== null && !isAlive(owner)) {
      rmSync(file, { force: true })
      continue
    }
    if (!told) say(`laneway: waiting for another set-up (process ${owner ?? '?'}) to finish`)
    told = true
    await delay(POLL_MS)
  }
}

/**
 * @param {string} file
 * @returns {boolean}
 */
function tryToTake(file) {
  const own = `${file}.${process.pid}`
  writeFileSync(own, String(process.pid))
  try {
    // A link appears with its content, so that a lock without an owner cannot be seen, nor left behind.
    linkSync(own, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

/**
 * @param {string} file
 * @returns {number | null} null when the lock has just gone
 */
function ownerOf(file) {
  try {
    return Number(readFileSync(file, 'utf8')) || null
  } catch {
    return null
  }
}

/**
 * @param {number} pid
 * @returns {boolean}
 */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

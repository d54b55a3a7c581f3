/**
 * Tells a thread that is blocked from one that is busy. A handler that never gives its thread back hears no signal, so that
 * nothing but the end of its thread ends it: where there is a handler timeout, the main thread watches the pulse of each
 * worker's event loop.
 */

const BEATS_PER_TIMEOUT = 4
/** Looks, one timeout apart, at which the pulse has stood still: a process that was suspended stands still for one. */
const MISSED_LOOKS = 2

export const newPulse = (): SharedArrayBuffer => new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)

/** In the worker, for as long as it lives. */
export function beat(pulse: SharedArrayBuffer, timeoutMs: number): void {
  const beats = new Int32Array(pulse)
  setInterval(() => Atomics.add(beats, 0, 1), Math.ceil(timeoutMs / BEATS_PER_TIMEOUT)).unref()
}

/** In the main thread, until the returned function is called: `blocked` is called once. */
export function watch(pulse: SharedArrayBuffer, timeoutMs: number, blocked: () => void): () => void {
  const beats = new Int32Array(pulse)
  let seen = -1
  let missed = 0
  const timer = setInterval(() => {
    const now = Atomics.load(beats, 0)
    missed = now === seen ? missed + 1 : 0
    seen = now
    if (missed < MISSED_LOOKS) return
    clearInterval(timer)
    blocked()
  }, timeoutMs)
  timer.unref()
  return () => clearInterval(timer)
}

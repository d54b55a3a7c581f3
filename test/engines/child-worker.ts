/**
 * A child process that is a worker written by hand. Its one argument says how it behaves; everything it does it tells the
 * file LANEWAY_LEDGER, one line each.
 *
 *   obey          completes what it gets
 *   slow          completes what it gets, one after the other, 2 ms each
 *   die-first     kills itself in the first attempt of the message with offset 1; completes the rest
 *   hang          takes and never answers, though it lives
 *   freeze        stops: no heartbeats, no answers
 *   stay          completes what it gets, and ignores SIGTERM and the end of its stream
 *   exit          exits at once
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { HandWorker, type HeldLease } from './hand-worker.js'

const [behaviour = 'obey'] = process.argv.slice(2)
const { LANEWAY_WORKER_ADDRESS: address = '', LANEWAY_WORKER_TOKEN: token = '', LANEWAY_LEDGER: ledger } = process.env

function note(event: string, lease?: HeldLease): void {
  if (ledger === undefined) return
  const key = lease?.message.key ? Buffer.from(lease.message.key).toString() : undefined
  const { partition, offset } = lease ?? {}
  appendFileSync(ledger, `${JSON.stringify({ event, pid: process.pid, partition, offset, key })}\n`)
}

note('born')
if (behaviour === 'exit') process.exit(3)
if (behaviour === 'stay') process.on('SIGTERM', () => note('ignored'))
const worker = new HandWorker(address, { token })
let last = Promise.resolve()
worker.onLease = (lease) => {
  const { id, offset, attempt } = lease
  if (behaviour === 'slow') {
    last = last.then(async () => {
      note('start', lease)
      await delay(2)
      note('end', lease)
      worker.settle(id)
    })
    return
  }
  note('start', lease)
  if (behaviour === 'die-first' && offset === 1 && attempt === 1) process.kill(process.pid, 'SIGKILL')
  if (behaviour === 'freeze' && attempt === 1) process.kill(process.pid, 'SIGSTOP')
  if (behaviour === 'hang') return
  note('end', lease)
  worker.settle(id)
}
worker.hello({ worker: `child ${process.pid}` })
const { heartbeatIntervalMs } = await worker.welcomed()
setInterval(() => worker.beat(), heartbeatIntervalMs ?? 1_000)
process.stdout.write('hello on stdout\n')
process.stderr.write('hello on stderr\n')
await worker.until(() => worker.received.some(({ drain }) => drain)).catch(() => undefined)
worker.finish()
await worker.ended
note('stream ended')
if (behaviour !== 'stay') process.exit(0)

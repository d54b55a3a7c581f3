/**
 * A small engine on the main thread that keeps the contract, but for one flaw: what the suite is there to find. It is as
 * plain as an engine can be, one promise for each message, and must not be used for anything else.
 */
import { type Engine, type EngineHost, LanewayError, type Message, type OutgoingRecord, type StopMode } from 'laneway'
import { type Place, Settler } from '../../ts/engines/settler.js'
import { BatchMessage, type MessageBatch } from '../../ts/message-batch.js'
import { Outcome } from '../../ts/native.js'

export type Flaw =
  | 'runs a lane at once'
  | 'settles before the handler ends'
  | 'settles what has failed'
  | 'forgets what has failed'
  | 'forgets the attempt'
  | 'ignores drain'
  | 'does not wait in drain'
  | 'fires no signal'
  | 'fails at the timeout, not at the end'
  | 'ignores fences'
  | 'never stops'
  | 'loses headers'
  | 'cuts large values'
  | 'empties tombstones'
  | 'keeps the error to itself'

const MAX_MESSAGES = 64
const MAX_BYTES = 4 * 1024 * 1024
const LARGE_BYTES = 1024 * 1024

interface Fenced {
  readonly place: Place
  isOver: boolean
}

class FlawedEngine implements Engine {
  readonly #flaw: Flaw | undefined
  #host: EngineHost | undefined
  #settler: Settler | undefined
  #stop: StopMode | undefined
  readonly #running = new Set<Promise<void>>()
  readonly #attempts = new Set<AbortController>()
  readonly #runs = new Set<Fenced>()

  constructor(flaw: Flaw | undefined) {
    this.#flaw = flaw
  }

  start(host: EngineHost): void {
    this.#host = host
    this.#settler = new Settler(
      host,
      host.attach(() => this.#pump()),
    )
    this.#pump()
  }

  async stop(mode: StopMode, deadlineMs: number): Promise<void> {
    if (this.#flaw === 'never stops') return new Promise(() => undefined)
    if (this.#stop === 'abort') return
    const isIgnored = mode === 'drain' && this.#flaw === 'ignores drain'
    if (!isIgnored) this.#stop = mode
    if (mode === 'drain') {
      if (this.#flaw === 'does not wait in drain') return
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise((resolve) => {
        timer = setTimeout(resolve, deadlineMs)
      })
      await Promise.race([Promise.all(this.#running), deadline])
      clearTimeout(timer)
      this.#settler?.flush()
      return
    }
    const reason = new LanewayError('CONSUMER_CLOSED', 'aborted')
    if (this.#flaw !== 'fires no signal') for (const attempt of this.#attempts) attempt.abort(reason)
    this.#settler?.flush()
    this.#settler?.taker.detach()
  }

  fence(partitions: readonly Place[]): void {
    if (this.#flaw === 'ignores fences') return
    for (const run of this.#runs) {
      const { topic, partition } = run.place
      run.isOver ||= partitions.some((each) => each.topic === topic && each.partition === partition)
    }
  }

  /** Each take carries what was settled before it. */
  #pump(): void {
    const { host, settler } = this.#started()
    while (this.#stop === undefined) {
      const batch = settler.take(MAX_MESSAGES, MAX_BYTES)
      if (batch === undefined) return
      for (let run = 0; run < batch.runs; run += 1) this.#start(host, settler, batch, run)
    }
  }

  #started(): { host: EngineHost; settler: Settler } {
    if (this.#host === undefined || this.#settler === undefined) throw new Error('this engine has not been started')
    return { host: this.#host, settler: this.#settler }
  }

  #start(host: EngineHost, settler: Settler, batch: MessageBatch, run: number): void {
    const fenced: Fenced = { place: host.partition(batch.runPartitions[run] ?? 0), isOver: false }
    this.#runs.add(fenced)
    const running = this.#runLane(host, settler, batch, run, fenced).catch((error: unknown) => host.fail(error))
    this.#running.add(running)
    running.then(() => {
      this.#running.delete(running)
      this.#runs.delete(fenced)
      this.#pump()
    })
  }

  async #runLane(host: EngineHost, settler: Settler, batch: MessageBatch, run: number, lane: Fenced): Promise<void> {
    const end = batch.runStarts[run + 1] ?? 0
    const first = batch.runStarts[run] ?? 0
    if (this.#flaw === 'runs a lane at once') {
      const all = Array.from({ length: end - first }, (_, i) => this.#runOne(host, settler, batch, first + i, lane))
      await Promise.all(all)
      return
    }
    for (let index = first; index < end; index += 1) {
      if (this.#stop !== undefined || lane.isOver) {
        if (this.#stop !== 'abort') settler.settle(batch, index, Outcome.Released)
        return
      }
      if (!(await this.#runOne(host, settler, batch, index, lane))) return
      // As the next one starts: what is settled must not wait for the end of its run.
      if (this.#stop !== 'abort') settler.flush()
    }
  }

  /** True where the message is settled. */
  async #runOne(
    host: EngineHost,
    settler: Settler,
    batch: MessageBatch,
    index: number,
    { place }: Fenced,
  ): Promise<boolean> {
    const failed = (error: unknown): boolean => {
      if (this.#stop === 'abort') return false
      switch (this.#flaw) {
        case 'forgets what has failed':
          return false
        case 'settles what has failed':
          settler.settle(batch, index, Outcome.Completed)
          return true
        case 'keeps the error to itself':
          return settler.failed(new Error('something went wrong'), batch, index, place)
        default:
          return settler.failed(error, batch, index, place)
      }
    }
    try {
      const handling = this.#handle(host, batch, index, place)
      if (this.#flaw === 'settles before the handler ends') handling.catch(() => undefined)
      else await handling
    } catch (error) {
      return failed(error)
    }
    if (this.#stop !== 'abort') settler.settle(batch, index, Outcome.Completed)
    return true
  }

  /** Rejects where the handler does, or has timed out. */
  async #handle(host: EngineHost, batch: MessageBatch, index: number, place: Place): Promise<void> {
    const controller = new AbortController()
    const { handlerTimeoutMs } = host
    const timeout = new LanewayError('HANDLER_TIMEOUT', `longer than ${handlerTimeoutMs} ms`)
    let timer: NodeJS.Timeout | undefined
    const timedOut = new Promise<never>((_, reject) => {
      if (handlerTimeoutMs === 0) return
      timer = setTimeout(() => {
        if (this.#flaw !== 'fires no signal') controller.abort(timeout)
        if (this.#flaw === 'fails at the timeout, not at the end') reject(timeout)
      }, handlerTimeoutMs)
    })
    this.#attempts.add(controller)
    try {
      const handled = (async () => {
        await host.handler(this.#messageOf(batch, index, place), {
          signal: controller.signal,
          attempt: this.#flaw === 'forgets the attempt' ? 1 : (batch.attempts[index] ?? 1),
          firstFailedAt: batch.firstFailedAt(index),
          send: refuse,
        })
      })()
      await Promise.race([handled, timedOut])
      if (controller.signal.reason === timeout) throw timeout
    } finally {
      clearTimeout(timer)
      this.#attempts.delete(controller)
    }
  }

  #messageOf(batch: MessageBatch, index: number, place: Place): Message {
    const message = new BatchMessage(batch, index, place)
    const { topic, partition, offset, timestamp, key, value, headers } = message
    const changed = { topic, partition, offset, timestamp, key, value, headers }
    if (this.#flaw === 'loses headers') return { ...changed, headers: headers.slice(0, 1) }
    if (this.#flaw === 'cuts large values') return { ...changed, value: value?.subarray(0, LARGE_BYTES) ?? null }
    if (this.#flaw === 'empties tombstones') return { ...changed, value: value ?? Buffer.alloc(0) }
    return message
  }
}

function refuse(_record: OutgoingRecord): never {
  throw new LanewayError('NOT_TRANSACTIONAL', 'send() needs the option transactional')
}

/** @param flaw undefined: an engine that keeps the contract */
export function flawedEngine(flaw?: Flaw): Engine {
  return new FlawedEngine(flaw)
}

/**
 * The contract of engines, as cases that a test framework runs one by one.
 *
 * Each case makes a ParallelConsumer with the engine on an embedded broker, produces messages that tell the obedient
 * handler what to do, and looks at what it wrote down, at what was committed, and at how `run()` ended. The suite knows
 * nothing of the engine but the port, so that laneway's own engines and a user's are held to the same.
 */
import type { Engine } from '../../ports/engine.js'
import { closingCases } from './cases/closing.js'
import { contentCases } from './cases/content.js'
import { crashCases } from './cases/crashes.js'
import { failureCases } from './cases/failures.js'
import { laneCases } from './cases/lanes.js'
import { rebalanceCases } from './cases/rebalances.js'
import { startCases } from './cases/start.js'
import { timeoutCases } from './cases/timeouts.js'
import { volumeCases } from './cases/volume.js'
import { Scene } from './scene.js'

/** What an engine is made for. */
export interface EngineSetting {
  /** The file that the obedient handler writes: the environment variable LANEWAY_LEDGER of a worker, or its `data`. */
  readonly ledger: string
  /** ms that the engine's workers, where it has some, are to take until they handle messages; mostly 0. */
  readonly startDelayMs: number
  /** Called when the case is over, for what was started beside the engine. */
  onEnd(end: () => unknown): void
}

export interface EngineContract {
  /** A new engine for each call; one case may ask for several. */
  createEngine(setting: EngineSetting): Engine | Promise<Engine>
  /** Handlers run in workers that may die while the consumer lives. Default: false. */
  readonly canCrash?: boolean
  /** Messages of the largest case. Default: 100,000. */
  readonly messages?: number
  /** ms that one case may take. Default: 60,000. */
  readonly deadline?: number
}

export interface ContractCase {
  readonly name: string
  /** @throws LanewayError `CONTRACT_BROKEN` where the engine does not keep it; the message says what and where */
  run(): Promise<void>
}

/** A case as the suite writes it. */
export interface CaseInScene {
  readonly name: string
  readonly partitions?: number
  play(scene: Scene): Promise<void>
}

/** What the largest case needs to know. */
export interface Volume {
  readonly messages: number
}

/**
 * The cases that every engine must pass: key order, at-least-once, retries, outcomes, timeouts, abort and drain, bounded
 * concurrency, content, rebalances, slow start, 100,000 messages with failures; with `canCrash`, the loss of workers.
 * Each needs up to some seconds, and a port on loopback.
 *
 * An engine whose `handlers` are `elsewhere` runs {@link obedientHandler} there, in worker threads through
 * {@link obedientHandlerModule}; in another language a handler that does the same: {@link Orders} says what, and
 * {@link LedgerLine} what it writes, one line of JSON with one write each. Others get it from the suite.
 *
 * @example
 * import { engineContract } from 'laneway/testing'
 * import { test } from 'node:test'
 * import { myEngine } from './my-engine.js'
 *
 * for (const { name, run } of engineContract({ createEngine: () => myEngine() })) test(name, run)
 *
 * @example
 * const cases = engineContract({
 *   createEngine: ({ ledger, startDelayMs }) =>
 *     workerThreads({ module: obedientHandlerModule, threads: 2, data: { ledger, startDelayMs } }),
 *   canCrash: true,
 * })
 */
export function engineContract(contract: EngineContract): ContractCase[] {
  const cases: CaseInScene[] = [
    ...laneCases,
    ...contentCases,
    ...failureCases,
    ...timeoutCases,
    ...startCases,
    ...closingCases,
    ...(contract.canCrash === true ? crashCases : []),
    ...rebalanceCases,
    ...volumeCases({ messages: contract.messages ?? 100_000 }),
  ]
  return cases.map(({ name, partitions = 1, play }) => {
    const run = async () => {
      const scene = new Scene(contract, { partitions })
      try {
        await play(scene)
      } catch (error) {
        // What broke first is what is told.
        await scene.end().catch(() => undefined)
        throw error
      }
      await scene.end()
    }
    return { name, run }
  })
}

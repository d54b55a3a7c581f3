/** FunctionService: the same handler behind a server that is called once for each message. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import * as assert from 'uvu/assert'
import { type CallRequest, functionService, v1 } from '../../../ts/contracts/worker-contract.js'
import { digestOf } from '../../../ts/testing/obedient-handler.js'
import type { Case } from '../conformance.js'
import { type Scene, TOKEN } from '../scene.js'

const { Status } = v1
const RETRY_MS = 20

/** A host that calls the program's functions. */
class Caller implements Disposable {
  readonly #client: Client

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': RETRY_MS,
      'grpc.max_reconnect_backoff_ms': RETRY_MS,
      'grpc.max_receive_message_length': -1,
    })
  }

  /** The settlement, or the status of gRPC's error. */
  async call(
    request: CallRequest,
    { token = TOKEN, timeoutMs = 60_000 } = {},
  ): Promise<{ settlement?: v1.Settlement.$Properties; code: status; details: string }> {
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${token}`)
    const { path, requestSerialize, responseDeserialize } = functionService.call
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { handler: 'obey', topic: 'scripted', partition: 3, attempt: 1, ...request },
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, response) => {
          if (error) resolve({ code: error.code, details: error.details })
          else
            resolve({ code: status.OK, details: '', ...(response?.settlement && { settlement: response.settlement }) })
        },
      )
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

/** A program that serves functions, when it can be called. */
async function open(scene: Scene): Promise<Caller> {
  scene.startWorker({ mode: 'functions' })
  const caller = new Caller(scene.functionAddress)
  while ((await caller.call({ handler: 'none' })).code === status.UNAVAILABLE) await sleep(RETRY_MS)
  return caller
}

const orders = (value: Record<string, unknown>): v1.Message.$Properties => ({
  value: Buffer.from(JSON.stringify(value)),
})

export const functions: readonly Case[] = [
  {
    title: 'function: a message arrives as it is, and is answered as in a worker',
    async play(scene) {
      using caller = await open(scene)
      const message = { offset: 7, key: null, value: Buffer.from([0xff]), headers: [{ name: 'a', value: null }] }
      const { settlement } = await caller.call({
        message: { ...message, metadata: { traceparent: 'trace' } },
        attempt: 3,
      })
      assert.is(settlement?.status, Status.STATUS_COMPLETED)
      const [line] = scene.ledger()
      assert.is(line?.digest, digestOf({ key: null, value: message.value, headers: [['a', null]] }))
      assert.equal([line?.topic, line?.partition, line?.offset, line?.attempt], ['scripted', 3, 7, 3])
      assert.is(line?.traceparent, 'trace')
    },
  },
  {
    title: 'function: failures, outcomes and outputs are as in a worker',
    async play(scene) {
      using caller = await open(scene)
      const answer = async (value: Record<string, unknown>) =>
        (await caller.call({ message: orders(value) })).settlement
      const failed = await answer({ outcome: 'fail', retriable: false })
      assert.equal(
        [failed?.status, failed?.error?.code, failed?.error?.message, failed?.error?.retriable],
        [Status.STATUS_FAILED, 'ToldToFail', 'told to fail', false],
      )
      const retried = await answer({ outcome: 'retry', delayMs: 55 })
      assert.equal([retried?.status, retried?.delayMs], [Status.STATUS_RETRY, 55])
      assert.is((await answer({ outcome: 'drop' }))?.status, Status.STATUS_DROP)
      assert.is((await answer({ outcome: 'deadLetter' }))?.status, Status.STATUS_DEAD_LETTER)
      assert.is((await answer({ outcome: 'fatal' }))?.status, Status.STATUS_FATAL)
      const sent = await answer({ output: { topic: 'out', value: 'v' } })
      assert.equal([sent?.status, sent?.outputs?.[0]?.topic], [Status.STATUS_COMPLETED, 'out'])
    },
  },
  {
    title: 'function: the end of a call’s time cancels its handler',
    async play(scene) {
      using caller = await open(scene)
      const message = { offset: 9, ...orders({ hangUntilCancelled: true }) }
      const { code } = await caller.call({ message }, { timeoutMs: 1_500 })
      // Whoever notices first says it: the caller, or the server, which can only reset the call.
      assert.ok([status.DEADLINE_EXCEEDED, status.CANCELLED].includes(code), status[code])
      await scene.event('cancelled', 9)
    },
  },
  {
    title: 'function: an unknown handler and a wrong token are refused',
    async play(scene) {
      using caller = await open(scene)
      assert.is((await caller.call({ handler: 'no-such-handler' })).code, status.NOT_FOUND)
      assert.is((await caller.call({}, { token: 'wrong' })).code, status.UNAUTHENTICATED)
      assert.equal(scene.ledger(), [])
    },
  },
  {
    title: 'function: a large message',
    async play(scene) {
      using caller = await open(scene)
      const { settlement } = await caller.call({ message: { value: Buffer.alloc(12 * 1024 * 1024, 'x') } })
      assert.is(settlement?.status, Status.STATUS_COMPLETED)
    },
  },
]

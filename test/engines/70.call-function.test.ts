/** A function on another server, called once for each message: what it answers is what becomes of the message. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import {
  type CallFunctionOptions,
  callFunction,
  DropMessage,
  type HandlerContext,
  LanewayError,
  type Message,
  type OutgoingRecord,
  RetryMessage,
  WorkerError,
} from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CallRequest, type CallResponse, functionService, numberOf } from '../../ts/contracts/worker-contract.js'
import { Authority } from './certificates.js'
import { Status } from './hand-worker.js'

type Answer = (call: ServerUnaryCall<CallRequest, CallResponse>, answer: sendUnaryData<CallResponse>) => void

/** A server with one function. */
class FunctionServer implements AsyncDisposable {
  readonly calls: CallRequest[] = []

  authorization: unknown
  readonly #server = new Server()
  readonly #folder = mkdtempSync(join(tmpdir(), 'laneway-test-'))
  address = `unix:${join(this.#folder, 'function')}`

  constructor(answer: Answer) {
    this.#server.addService(functionService, {
      call: (call: ServerUnaryCall<CallRequest, CallResponse>, callback: sendUnaryData<CallResponse>) => {
        this.calls.push(call.request)
        this.authorization = call.metadata.get('authorization')[0]
        answer(call, callback)
      },
    })
  }

  static async start(answer: Answer, credentials = ServerCredentials.createInsecure(), at?: string) {
    const started = new FunctionServer(answer)
    const port = await new Promise<number>((resolve, reject) => {
      started.#server.bindAsync(at ?? started.address, credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    })
    if (at !== undefined) started.address = `localhost:${port}`
    return started
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const message: Message = {
  topic: 't',
  partition: 2,
  offset: 7,
  timestamp: 9,
  key: Buffer.from('k'),
  value: null,
  headers: [['tracestate', Buffer.from('a=b')]],
}

function contextWith(more: Partial<HandlerContext> = {}): HandlerContext {
  const { signal } = new AbortController()
  return { signal, attempt: 3, firstFailedAt: 5, send: () => assert.unreachable(), ...more }
}

async function failureOf(options: CallFunctionOptions, context = contextWith()): Promise<unknown> {
  try {
    await callFunction(options)(message, context)
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

test('the function gets the message and its attempt; where it completes, the handler returns', async () => {
  const outputs = [{ topic: 'out', value: Buffer.from('v'), partition: 1, timestampMs: 4 }]
  await using server = await FunctionServer.start((_call, answer) =>
    answer(null, { settlement: { status: Status.STATUS_COMPLETED, outputs } }),
  )
  const sent: OutgoingRecord[] = []
  const handler = callFunction({ address: server.address, handler: 'score', token: 'secret' })
  await handler(message, contextWith({ send: (record) => sent.push(record) }))
  const [call] = server.calls
  assert.equal([call?.handler, call?.topic, call?.partition, call?.attempt], ['score', 't', 2, 3])
  assert.is(numberOf(call?.firstFailedAtMs), 5)
  assert.is(numberOf(call?.message?.offset), 7)
  assert.is(call?.message?.value, null)
  assert.equal(call?.message?.metadata, { tracestate: 'a=b' })
  assert.is(server.authorization, 'Bearer secret')
  assert.equal(
    sent.map(({ topic, value, partition, timestamp }) => [topic, String(value), partition, timestamp]),
    [['out', 'v', 1, 4]],
  )
})

for (const [name, expected, settlement] of [
  ['failed', WorkerError, { status: Status.STATUS_FAILED, error: { code: 'E', retriable: false } }],
  ['retried', RetryMessage, { status: Status.STATUS_RETRY, delayMs: 9 }],
  ['dropped', DropMessage, { status: Status.STATUS_DROP, error: { message: 'no use' } }],
  ['released', WorkerError, { status: Status.STATUS_RELEASED }],
  ['empty', WorkerError, undefined],
] as const) {
  test(`an answer that is ${name} is thrown`, async () => {
    await using server = await FunctionServer.start((_call, answer) => answer(null, settlement ? { settlement } : {}))
    assert.instance(await failureOf({ address: server.address }), expected)
  })
}

test('an error of gRPC is a failed attempt with its code', async () => {
  await using server = await FunctionServer.start((_call, answer) =>
    answer({ code: status.RESOURCE_EXHAUSTED, details: 'full' }),
  )
  const failure = (await failureOf({ address: server.address })) as WorkerError
  assert.equal([failure.code, failure.message], ['RESOURCE_EXHAUSTED', 'full'])
  const nobody = (await failureOf({ address: 'unix:/nowhere/at/all' })) as WorkerError
  assert.is(nobody.code, 'UNAVAILABLE')
})

test('a call that takes too long ends at its deadline', async () => {
  await using server = await FunctionServer.start(() => undefined)
  const failure = (await failureOf({ address: server.address, timeout: 50 })) as WorkerError
  assert.is(failure.code, 'DEADLINE_EXCEEDED')
})

test('an attempt that is aborted cancels its call, and fails with the reason', async () => {
  const controller = new AbortController()
  const reason = new LanewayError('HANDLER_TIMEOUT', 'too long')
  await using server = await FunctionServer.start(() => controller.abort(reason))
  const context = contextWith({ signal: controller.signal })
  assert.is(await failureOf({ address: server.address }, context), reason)
  assert.is(await failureOf({ address: server.address }, context), reason)
})

test('over TLS', async () => {
  using authority = new Authority()
  const { cert, key } = authority.sign('function')
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }
  const secure = ServerCredentials.createSsl(null, [pair])
  await using server = await FunctionServer.start(
    (_call, answer) => answer(null, { settlement: { status: Status.STATUS_COMPLETED } }),
    secure,
    'localhost:0',
  )
  await callFunction({ address: server.address, tls: { ca: authority.cert } })(message, contextWith())
  assert.is(server.calls.length, 1)
})

test('every wrong option is named', () => {
  const fieldsOf = (options: CallFunctionOptions): string[] => {
    try {
      callFunction(options)
    } catch (error) {
      if (LanewayError.is(error)) return error.issues.map(({ field }) => field)
    }
    return []
  }
  assert.equal(fieldsOf({ address: 'localhost:1' }), [])
  assert.equal(fieldsOf({ address: 'nowhere' }), ['address'])
  assert.equal(fieldsOf({ address: 'example.com:1' }), ['address'])
  assert.equal(fieldsOf({ address: 'example.com:1', insecure: true }), [])
  assert.equal(fieldsOf({ address: 'example.com:1', tls: {} }), [])
  assert.equal(fieldsOf({ address: 'localhost:1', tls: { cert: 'x' }, timeout: 0 }).sort(), ['timeout', 'tls'])
})

test.run()

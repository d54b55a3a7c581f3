/** serveFunction(): who may call, for how long a call may run, how many at once, and how the server ends. */
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { type FunctionServerOptions, LanewayError, serveFunction, type WorkerContext } from 'laneway/worker'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { functionService, v1 } from '../../ts/contracts/worker-contract.js'
import { Authority } from '../engines/certificates.js'
import { Moment, untilTold } from './stage.js'

const { Status } = v1
/** Longer than any test takes. */
const NEVER_MS = 600_000

const authority = new Authority()
const another = new Authority()
test.after(() => {
  authority[Symbol.dispose]()
  another[Symbol.dispose]()
})
const ca = Buffer.from(authority.cert)

interface Answer {
  readonly code: status
  readonly details: string
  readonly settlement: v1.Settlement.$Properties | null | undefined
}

/** One call, as a host makes it. */
async function call(
  address: string,
  { channel = credentials.createInsecure(), token = '', timeoutMs = NEVER_MS } = {},
): Promise<Answer> {
  const client = new Client(address, channel, { 'grpc.use_local_subchannel_pool': 1 })
  const metadata = new Metadata()
  if (token !== '') metadata.set('authorization', `Bearer ${token}`)
  const { path, requestSerialize, responseDeserialize } = functionService.call
  const answer = await new Promise<Answer>((resolve) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { handler: 'obey', topic: 't', partition: 1, message: { offset: 7 }, attempt: 1 },
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error: ServiceError | null, response) =>
        resolve({
          code: error?.code ?? status.OK,
          details: error?.details ?? '',
          settlement: response?.settlement,
        }),
    )
  })
  client.close()
  return answer
}

const serve = (options: Partial<FunctionServerOptions> = {}) =>
  serveFunction({ listen: '127.0.0.1:0', handlers: { obey: () => undefined }, ...options })

/** Runs until its signal fires; then `ended` comes. */
function waiting(started: Moment, ended: (reason: unknown) => void) {
  return async (_message: unknown, { signal }: WorkerContext) => {
    started.comes()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    ended(signal.reason)
  }
}

const codeOf = (error: unknown): unknown => LanewayError.is(error) && error.code

test('TLS: who knows the authority can call; plain text is not heard', async () => {
  await using server = await serve({ tls: authority.sign('function') })
  const { settlement } = await call(server.address, { channel: credentials.createSsl(ca) })
  assert.is(settlement?.status, Status.STATUS_COMPLETED)
  assert.is((await call(server.address)).code, status.UNAVAILABLE)
})

test('mTLS: a certificate of the authority is asked for; none, or another authority’s, is refused', async () => {
  await using server = await serve({ tls: { ...authority.sign('function'), clientCa: authority.cert } })
  const showing = ({ cert, key }: { readonly cert: string; readonly key: string }) =>
    credentials.createSsl(ca, Buffer.from(key), Buffer.from(cert))
  for (const channel of [credentials.createSsl(ca), showing(another.sign('host'))]) {
    assert.is((await call(server.address, { channel })).code, status.UNAVAILABLE)
  }
  const { settlement } = await call(server.address, { channel: showing(authority.sign('host')) })
  assert.is(settlement?.status, Status.STATUS_COMPLETED)
})

test('a token is asked for where there is one', async () => {
  await using server = await serve({ token: 'secret' })
  assert.is((await call(server.address, { token: 'secret' })).code, status.OK)
  for (const token of ['', 'Secret', 'secrets']) {
    assert.is((await call(server.address, { token })).code, status.UNAUTHENTICATED)
  }
})

test('the end of a call’s time is its handler’s', async () => {
  const started = new Moment()
  let reason: unknown
  const ended = new Moment()
  const obey = waiting(started, (why) => {
    reason = why
    ended.comes()
  })
  await using server = await serve({ handlers: { obey } })
  assert.is.not((await call(server.address, { timeoutMs: 300 })).code, status.OK)
  await ended.came
  assert.is(codeOf(reason), 'CANCELLED')
})

test('above its concurrency calls are refused, and again taken when one has ended', async () => {
  const started = new Moment()
  const mayEnd = new Moment()
  const obey = untilTold(started, mayEnd)
  await using server = await serve({ handlers: { obey }, concurrency: 1 })
  const first = call(server.address)
  await started.came
  assert.is((await call(server.address)).code, status.RESOURCE_EXHAUSTED)
  mayEnd.comes()
  assert.is((await first).code, status.OK)
  assert.is((await call(server.address)).code, status.OK)
})

test('close() lets calls end', async () => {
  const started = new Moment()
  const mayEnd = new Moment()
  const obey = untilTold(started, mayEnd)
  const server = await serve({ handlers: { obey } })
  const running = call(server.address)
  await started.came
  const closed = server.close()
  mayEnd.comes()
  assert.is((await running).code, status.OK)
  await closed
  await server.close()
  assert.is((await call(server.address)).code, status.UNAVAILABLE)
})

test('close() cancels what takes longer than its grace', async () => {
  const started = new Moment()
  let reason: unknown
  const obey = waiting(started, (why) => {
    reason = why
  })
  const server = await serve({ handlers: { obey } })
  const running = call(server.address)
  await started.came
  await server.close(0)
  assert.is.not((await running).code, status.OK)
  assert.is(codeOf(reason), 'CANCELLED')
})

test('an address that is taken is a typed failure', async () => {
  await using server = await serve()
  try {
    await serve({ listen: server.address })
    assert.unreachable()
  } catch (error) {
    assert.is(codeOf(error), 'LISTEN_FAILED')
  }
})

test.run()

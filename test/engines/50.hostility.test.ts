/** Broken and hostile workers: they are refused with a clear status, cost a bounded amount, and disturb nobody. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type v1, workerService } from '../../ts/contracts/worker-contract.js'
import { runOf } from '../unit/scripted-taker.js'
import { HandWorker, Status } from './hand-worker.js'
import { ScriptedEngine } from './scripted-engine.js'

const LISTEN = '127.0.0.1:0'
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const CONNECTIONS = 10_000
const AT_ONCE = 50
const MIB = 1024 * 1024

/** The host still serves. */
async function serves({ host, address }: ScriptedEngine): Promise<void> {
  const worker = new HandWorker(address)
  worker.hello()
  worker.obey()
  const before = host.settled.length
  host.offer(runOf(0, 1))
  await host.settledCount(before + 1)
  worker.finish()
  await worker.ended
}

function dial({ address }: ScriptedEngine): Socket {
  const [hostName = '', port] = address.split(':')
  return connect(Number(port), hostName)
}

async function refusal(worker: HandWorker): Promise<number> {
  const { code, details } = await worker.ended
  assert.not.equal(details, '')
  return code
}

test('garbage bytes end their connection, and no other', async () => {
  await using scripted = await ScriptedEngine.start({ listen: LISTEN })
  for (const bytes of [randomBytes(100_000), Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), Buffer.alloc(64)]) {
    const socket = dial(scripted)
    socket.on('error', () => undefined)
    socket.end(bytes)
    socket.resume()
    await once(socket, 'close')
  }
  await serves(scripted)
})

test('garbage in place of a message ends the stream', async () => {
  await using scripted = await ScriptedEngine.start()
  const client = new Client(scripted.address, credentials.createInsecure())
  const stream = client.makeBidiStreamRequest(
    workerService.work.path,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
  )
  stream.write(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f, 1]))
  const [error] = (await once(stream, 'error')) as [ServiceError]
  assert.ok(error.code > 0)
  client.close()
  await serves(scripted)
})

test('a connection that says nothing is closed', async () => {
  await using scripted = await ScriptedEngine.start({ listen: LISTEN, helloTimeout: 100 })
  const socket = dial(scripted)
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'close')
  await serves(scripted)
})

test('a stream without a hello ends', async () => {
  await using scripted = await ScriptedEngine.start({ helloTimeout: 100 })
  const silent = new HandWorker(scripted.address)
  assert.is(await refusal(silent), DEADLINE_EXCEEDED)
})

for (const [title, code, speak] of [
  ['heartbeats instead of a hello', FAILED_PRECONDITION, (worker: HandWorker) => worker.beat()],
  ['a settlement before its hello', FAILED_PRECONDITION, (worker: HandWorker) => worker.settle(1)],
  ['a hello twice', FAILED_PRECONDITION, (worker: HandWorker) => [worker.hello(), worker.hello()]],
  ['no credits', INVALID_ARGUMENT, (worker: HandWorker) => worker.hello({ credits: 0 })],
  ['a long name', INVALID_ARGUMENT, (worker: HandWorker) => worker.hello({ worker: 'x'.repeat(257) })],
  ['a long handler', INVALID_ARGUMENT, (worker: HandWorker) => worker.hello({ handlers: ['x'.repeat(257)] })],
  [
    'too many capabilities',
    INVALID_ARGUMENT,
    (worker: HandWorker) => worker.hello({ capabilities: Array.from({ length: 1_001 }, () => 'x') }),
  ],
  ['an endless hello', RESOURCE_EXHAUSTED, (worker: HandWorker) => worker.hello({ worker: 'x'.repeat(3 * MIB) })],
] as const) {
  test(`a worker with ${title} is refused`, async () => {
    await using scripted = await ScriptedEngine.start({ maxMessageBytes: MIB })
    const worker = new HandWorker(scripted.address)
    speak(worker)
    assert.is(await refusal(worker), code)
    await serves(scripted)
  })
}

test('more workers than there may be are refused; when one leaves, another may come', async () => {
  await using scripted = await ScriptedEngine.start({ maxWorkers: 2 })
  const workers = [new HandWorker(scripted.address), new HandWorker(scripted.address)] as const
  for (const worker of workers) {
    worker.hello()
    await worker.welcomed()
  }
  workers[1].obey()
  const third = new HandWorker(scripted.address)
  assert.is(await refusal(third), RESOURCE_EXHAUSTED)
  workers[0].finish()
  await workers[0].ended
  await serves(scripted)
})

test('more settlements at once than a worker can hold leases end its session', async () => {
  await using scripted = await ScriptedEngine.start()
  const worker = new HandWorker(scripted.address)
  worker.hello()
  await worker.welcomed()
  const settlement: v1.Settlement.$Properties = { lease: 1, status: Status.STATUS_COMPLETED }
  worker.send({ settlements: { settlements: Array.from({ length: 10_001 }, () => settlement) } })
  assert.is(await refusal(worker), INVALID_ARGUMENT)
  await serves(scripted)
})

test('credits without end are capped', async () => {
  await using scripted = await ScriptedEngine.start()
  const worker = new HandWorker(scripted.address)
  worker.hello({ credits: 2 ** 32 - 1 })
  await worker.welcomed()
  scripted.host.offer(runOf(0, 1))
  await worker.leased(1)
  assert.ok(scripted.host.largestTake <= 10_000, `${scripted.host.largestTake} messages at once`)
})

test(`${CONNECTIONS} connections that are opened and dropped leave nothing behind`, async () => {
  await using scripted = await ScriptedEngine.start({ listen: LISTEN })
  const dropOne = async (index: number): Promise<void> => {
    const socket = dial(scripted)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    if (index % 3 === 1) socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    if (index % 3 === 2) socket.write(randomBytes(32))
    if (index % 2 === 0) socket.destroy()
    else socket.resetAndDestroy()
  }
  let next = 0
  const some = Array.from({ length: AT_ONCE }, async () => {
    while (next < CONNECTIONS) {
      next += 1
      await dropOne(next)
    }
  })
  await Promise.all(some)
  await serves(scripted)
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  while (sockets() > 4) await delay(10)
})

test.run()

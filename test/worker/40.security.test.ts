/** How a worker and its host know each other: TLS, client certificates, and a token for each connection. */
import { ServerCredentials } from '@grpc/grpc-js'
import { LanewayError, type WorkerOptions } from 'laneway/worker'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { v1 } from '../../ts/contracts/worker-contract.js'
import { Authority } from '../engines/certificates.js'
import { Stage } from './stage.js'

const { Status } = v1
const GIVE_UP_MS = 100

const authority = new Authority()
const another = new Authority()
test.after(() => {
  authority[Symbol.dispose]()
  another[Symbol.dispose]()
})
const ca = authority.cert
const host = authority.sign('host')

/** @param clients whether workers must show a certificate of the authority */
async function secured({ clients = false } = {}): Promise<Stage> {
  const pair = { private_key: Buffer.from(host.key), cert_chain: Buffer.from(host.cert) }
  return Stage.open(ServerCredentials.createSsl(clients ? Buffer.from(ca) : null, [pair], clients))
}

/** One message, all the way. */
async function serves(stage: Stage, tls: WorkerOptions['tls']): Promise<void> {
  const { worker, session } = await stage.connected({ tls })
  const [[lease] = []] = session.lease([[{}]])
  assert.is((await session.settlementOf(lease)).status, Status.STATUS_COMPLETED)
  await worker.drain()
}

/** It says no hello, and gives up. */
async function isNotServed(stage: Stage, tls: WorkerOptions['tls']): Promise<void> {
  const { ending } = stage.start({ tls, giveUpAfter: GIVE_UP_MS })
  const error = await ending
  assert.is(LanewayError.is(error) && error.code, 'HOST_UNREACHABLE')
  assert.is(stage.host.sessions, 0)
}

test('TLS: a host whose authority the worker knows is served', async () => {
  await using stage = await secured()
  await serves(stage, { ca })
  await serves(stage, { ca: Buffer.from(ca) })
})

test('TLS: a host of another authority is not served, nor one in plain text, nor by a worker without TLS', async () => {
  await using stage = await secured()
  await isNotServed(stage, { ca: another.cert })
  await isNotServed(stage, true)
  await isNotServed(stage, undefined)
})

test('TLS: the name in the certificate counts: that of the address, or the one that is given', async () => {
  await using stage = await secured()
  await serves(stage, { ca, serverName: 'localhost' })
  await using other = await secured()
  await isNotServed(other, { ca, serverName: 'another.example' })
})

test('mTLS: a worker with a certificate of the authority is let in', async () => {
  await using stage = await secured({ clients: true })
  await serves(stage, { ca, ...authority.sign('worker') })
})

test('mTLS: none, or one of another authority, is not', async () => {
  await using stage = await secured({ clients: true })
  await isNotServed(stage, { ca })
  await isNotServed(stage, { ca, ...another.sign('worker') })
})

test('a function gives a token for each connection; where it fails, the worker dials again', async () => {
  await using stage = await Stage.open()
  let asked = 0
  const token = async () => {
    asked += 1
    if (asked === 2) throw new Error('the issuer is busy')
    return `token-${asked}`
  }
  stage.start({ token })
  for (const expected of ['Bearer token-1', 'Bearer token-3']) {
    const session = await stage.host.welcomed()
    assert.equal(session.metadata.get('authorization'), [expected])
    session.end()
  }
  assert.ok(stage.warnings.some((text) => text.includes('the issuer is busy')))
})

test('a token from the environment is shown', async () => {
  process.env['LANEWAY_WORKER_TOKEN'] = 'from outside'
  await using stage = await Stage.open()
  const { session } = await stage.connected()
  delete process.env['LANEWAY_WORKER_TOKEN']
  assert.equal(session.metadata.get('authorization'), ['Bearer from outside'])
})

test.run()

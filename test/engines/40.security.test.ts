/** Who may be a worker: TLS, client certificates and JSON Web Tokens; whoever fails is refused and leaves nothing behind. */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { LanewayError, type RemoteWorkersOptions, remoteWorkers } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runOf } from '../unit/scripted-taker.js'
import { Authority } from './certificates.js'
import { type Ended, HandWorker } from './hand-worker.js'
import { ScriptedEngine } from './scripted-engine.js'

const LISTEN = '127.0.0.1:0'
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

const authority = new Authority()
const another = new Authority()
test.after(() => {
  authority[Symbol.dispose]()
  another[Symbol.dispose]()
})
const host = authority.sign('host')
const ca = Buffer.from(authority.cert)

/** One message through a worker that is let in. */
async function serves(scripted: ScriptedEngine, worker: HandWorker): Promise<void> {
  worker.hello()
  worker.obey()
  scripted.host.offer(runOf(0, 1))
  await worker.leased(1)
  await scripted.host.settledCount(1)
}

async function refusal(worker: HandWorker): Promise<Ended> {
  worker.hello()
  const ended = await worker.ended
  assert.is(worker.welcome, undefined)
  return ended
}

function fieldsOf(options: object): string[] {
  try {
    remoteWorkers(options as RemoteWorkersOptions)
    return []
  } catch (error) {
    if (!LanewayError.is(error) || error.code !== 'CONFIG_INVALID') throw error
    return error.issues.map(({ field }) => field)
  }
}

test('TLS: a worker that knows the authority is let in; plain text is not', async () => {
  await using scripted = await ScriptedEngine.start({ listen: LISTEN, tls: host })
  await serves(scripted, new HandWorker(scripted.address, { credentials: credentials.createSsl(ca) }))
  assert.is((await refusal(new HandWorker(scripted.address))).code, UNAVAILABLE)
})

test('mTLS: a certificate of the authority is asked for; none, or another authority’s, is refused', async () => {
  await using scripted = await ScriptedEngine.start({ listen: LISTEN, tls: { ...host, clientCa: authority.cert } })
  const withCertificate = (signer: Authority) => {
    const { cert, key } = signer.sign('worker')
    return credentials.createSsl(ca, Buffer.from(key), Buffer.from(cert))
  }
  const strangers = [credentials.createSsl(ca), withCertificate(another)]
  for (const stranger of strangers) {
    assert.is((await refusal(new HandWorker(scripted.address, { credentials: stranger }))).code, UNAVAILABLE)
  }
  await serves(scripted, new HandWorker(scripted.address, { credentials: withCertificate(authority) }))
})

const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const wrong = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const publicPem = signing.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const jwt = { key: publicPem, audience: 'laneway', issuer: 'tests' }
const claims = { aud: 'laneway', iss: 'tests', sub: 'scorer' }
const HOUR_S = 3_600

function tokenOf(payload: JWTPayload, { key = signing.privateKey, expiresIn = HOUR_S as number | null } = {}) {
  const token = new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'one' })
  const now = Math.floor(Date.now() / 1000)
  return (expiresIn === null ? token : token.setExpirationTime(now + expiresIn)).sign(key)
}

test('JWT: a token that holds lets in', async () => {
  const { publicKey } = signing
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] }
  for (const keys of [{ key: publicPem }, { key: publicKey }, { jwks }]) {
    const { audience, issuer } = jwt
    await using scripted = await ScriptedEngine.start({ listen: LISTEN, auth: { jwt: { ...keys, audience, issuer } } })
    await serves(scripted, new HandWorker(scripted.address, { token: await tokenOf(claims) }))
  }
})

const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(
  JSON.stringify({ ...claims, exp: Math.floor(Date.now() / 1000) + HOUR_S }),
).toString('base64url')}.`

/** Signed with the public key as if it were a shared secret. */
async function confused(): Promise<string> {
  const secret = new TextEncoder().encode(publicPem)
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h').sign(secret)
}

for (const [title, token] of [
  ['no token', async () => undefined],
  ['nonsense', async () => 'nonsense'],
  ['another key', () => tokenOf(claims, { key: wrong.privateKey })],
  ['another audience', () => tokenOf({ ...claims, aud: 'others' })],
  ['another issuer', () => tokenOf({ ...claims, iss: 'others' })],
  ['expired', () => tokenOf(claims, { expiresIn: -HOUR_S })],
  ['no expiry', () => tokenOf(claims, { expiresIn: null })],
  ['not signed', async () => unsigned],
  ['the public key as a secret', confused],
] as const) {
  test(`JWT: ${title}: refused`, async () => {
    await using scripted = await ScriptedEngine.start({ listen: LISTEN, auth: { jwt } })
    const shown = await token()
    const worker = new HandWorker(scripted.address, shown === undefined ? {} : { token: shown })
    const { code, details } = await refusal(worker)
    assert.is(code, UNAUTHENTICATED)
    assert.match(details, /token/)
    scripted.host.offer(runOf(0, 1))
    await serves(scripted, new HandWorker(scripted.address, { token: await tokenOf(claims) }))
  })
}

test('JWT: when the token expires, the session ends; shortly before, its worker is told to drain', async () => {
  await using scripted = await ScriptedEngine.start({ listen: LISTEN, auth: { jwt } })
  const expiresIn = 2
  const expiresAtMs = 1_000 * (Math.floor(Date.now() / 1_000) + expiresIn)
  const worker = new HandWorker(scripted.address, { token: await tokenOf(claims, { expiresIn }) })
  worker.hello()
  await worker.until(() => worker.received.some(({ drain }) => drain?.reason === 'its token expires'))
  scripted.host.offer(runOf(0, 1))
  const { code, details } = await worker.ended
  assert.ok(Date.now() >= expiresAtMs)
  assert.is(code, UNAUTHENTICATED)
  assert.match(details, /token has expired/)
  assert.equal(worker.leases, [])
  await serves(scripted, new HandWorker(scripted.address, { token: await tokenOf(claims) }))
})

test('JWT: a token that holds for longer than a timer can run is no reason to drain', async () => {
  await using scripted = await ScriptedEngine.start({ listen: LISTEN, auth: { jwt } })
  const worker = new HandWorker(scripted.address, { token: await tokenOf(claims, { expiresIn: 10_000 * HOUR_S }) })
  await serves(scripted, worker)
  worker.beat()
  await worker.until(() => worker.received.some(({ heartbeatReply }) => heartbeatReply))
  assert.not(worker.received.some(({ drain }) => drain))
})

test('every wrong option is named', () => {
  assert.equal(fieldsOf({ listen: LISTEN }), [])
  assert.equal(fieldsOf({ listen: 'unix:/tmp/x' }), [])
  assert.equal(fieldsOf({ listen: '[::1]:0' }), [])
  assert.equal(fieldsOf({ listen: 'nowhere' }), ['listen'])
  assert.equal(fieldsOf({ listen: 'localhost:65536' }), ['listen'])
  assert.equal(fieldsOf({ listen: 'unix:relative' }), ['listen'])
  assert.equal(fieldsOf({ listen: '0.0.0.0:0' }), ['listen'])
  assert.equal(fieldsOf({ listen: '127.evil.example:0' }), ['listen'])
  assert.equal(fieldsOf({ listen: '0.0.0.0:0', insecure: true }), [])
  assert.equal(fieldsOf({ listen: '0.0.0.0:0', tls: host }), [])
  assert.equal(fieldsOf({ listen: LISTEN, tls: { cert: 'no', key: 'no' } }), ['tls'])
  assert.equal(fieldsOf({ listen: LISTEN, tls: { ...host, key: another.sign('other').key } }), ['tls'])
  assert.equal(fieldsOf({ listen: LISTEN, auth: { jwt: { audience: 'a' } } }), ['auth.jwt'])
  assert.equal(fieldsOf({ listen: LISTEN, auth: { jwt: { key: 'no', audience: 'a' } } }), ['auth.jwt.key'])
  assert.equal(fieldsOf({ listen: LISTEN, heartbeat: { interval: 5, timeout: 5 }, unknown: 1 }).sort(), [
    'heartbeat.interval',
    'unknown',
  ])
})

test('a socket whose process was killed is replaced', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'laneway-test-'))
  const path = join(folder, 'workers')
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  assert.ok(existsSync(path))
  await using scripted = await ScriptedEngine.start({ listen: `unix:${path}` })
  await serves(scripted, new HandWorker(scripted.address))
  rmSync(folder, { recursive: true })
})

test('an address that is taken is a typed failure, and goes on to serve', async () => {
  await using scripted = await ScriptedEngine.start()
  try {
    await ScriptedEngine.start({ listen: scripted.address })
    assert.unreachable()
  } catch (error) {
    assert.is(LanewayError.is(error) && error.code, 'LISTEN_FAILED')
  }
  await serves(scripted, new HandWorker(scripted.address))
})

test('when the engine has ended, nothing listens any more', async () => {
  const scripted = await ScriptedEngine.start({ listen: LISTEN })
  const port = Number(scripted.address.split(':')[1])
  await scripted[Symbol.asyncDispose]()
  const code = await new Promise((resolve) => {
    connect(port, '127.0.0.1').on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
  assert.is(code, 'ECONNREFUSED')
})

test.run()

/** Options of workers and of servers of functions: whatever is wrong is named before anything is dialled. */
import { type FunctionServerOptions, LanewayError, serveFunction, Worker, type WorkerOptions } from 'laneway/worker'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Authority } from '../engines/certificates.js'

const authority = new Authority()
test.after(() => authority[Symbol.dispose]())
const signed = authority.sign('worker')

const handlers = { obey: () => undefined }
const address = 'unix:/nowhere/host.sock'
const ELSEWHERE = 'host.example:7070'

test.before.each(() => {
  delete process.env['LANEWAY_WORKER_ADDRESS']
  delete process.env['LANEWAY_WORKER_TOKEN']
})

function fieldsOf(error: unknown): string[] {
  if (!LanewayError.is(error) || error.code !== 'CONFIG_INVALID') throw error
  return error.issues.map(({ field }) => field).sort()
}

/** The options of a worker that are refused. */
function wrongIn(options: object): string[] {
  try {
    new Worker({ handlers, address, ...options } as WorkerOptions)
    return []
  } catch (error) {
    return fieldsOf(error)
  }
}

/** Likewise of serveFunction(). */
async function wrongInFunction(options: object): Promise<string[]> {
  try {
    const server = await serveFunction({ handlers, listen: '127.0.0.1:0', ...options } as FunctionServerOptions)
    await server.close()
    return []
  } catch (error) {
    return fieldsOf(error)
  }
}

for (const [field, values] of Object.entries({
  handlers: [undefined, {}],
  'handlers.': [{ '': handlers.obey }],
  'handlers.obey': [{ obey: 'no function' }],
  address: [undefined, '', 'nowhere', 'unix:relative', 'host:99999', 'host:', 7],
  concurrency: [0, 10_001, 1.5, '8'],
  credits: [0, 10_001],
  token: [7],
  tls: [false, 'yes', { cert: signed.cert }, { key: signed.key }, { ca: 'no PEM' }, { ...signed, key: 'no PEM' }],
  'tls.passphrase': [{ passphrase: 'secret' }],
  insecure: [false],
  name: ['x'.repeat(257)],
  maxMessageBytes: [0, -1],
  drainTimeout: [-1, Number.NaN, 2 ** 31],
  'drainOn.0': [[9]],
  'reconnect.initial': [{ initial: -1 }],
  'reconnect.max': [{ max: '1s' }],
  giveUpAfter: [-1, '1s'],
  logger: ['console'],
  concurency: [8],
})) {
  test(`a worker's ${field} that is impossible is named`, () => {
    const [option = ''] = field.split('.')
    for (const value of values) assert.equal(wrongIn({ [option]: value }), [field], JSON.stringify(value))
  })
}

test('all that is wrong is named at once', () => {
  assert.equal(wrongIn({ concurrency: 0, credits: 0, tls: { cert: 'c' } }), ['concurrency', 'credits', 'tls'])
})

test('address and token may come from the environment, and an empty token is none', () => {
  process.env['LANEWAY_WORKER_ADDRESS'] = address
  assert.equal(wrongIn({ address: undefined }), [])
  process.env['LANEWAY_WORKER_TOKEN'] = ''
  assert.equal(wrongIn({}), [])
})

test('plain text goes to this machine only', () => {
  for (const local of ['unix:/s', 'unix:///s', 'localhost:1', '127.3.2.1:1', '[::1]:1']) {
    assert.equal(wrongIn({ address: local }), [], local)
  }
  for (const other of [ELSEWHERE, '127.evil.example:1', '[::2]:1']) {
    assert.equal(wrongIn({ address: other }), ['tls'], other)
    assert.equal(wrongIn({ address: other, insecure: true }), [], other)
    assert.equal(wrongIn({ address: other, tls: true }), [], other)
    assert.equal(wrongIn({ address: other, tls: { ca: authority.cert, ...signed } }), [], other)
  }
})

for (const [field, values] of Object.entries({
  handlers: [{}],
  listen: [undefined, 'nowhere'],
  concurrency: [0],
  tls: [
    { cert: 'no PEM', key: 'no PEM' },
    { ...signed, key: authority.sign('another').key },
  ],
  'tls.key': [{ cert: signed.cert }],
  token: [''],
  maxMessageBytes: [0],
  port: [7],
})) {
  test(`a function server's ${field} that is impossible is named`, async () => {
    const [option = ''] = field.split('.')
    for (const value of values) assert.equal(await wrongInFunction({ [option]: value }), [field], JSON.stringify(value))
  })
}

test('functions are not served in plain text to other machines', async () => {
  assert.equal(await wrongInFunction({ listen: '0.0.0.0:0' }), ['tls'])
  assert.equal(await wrongInFunction({ listen: '0.0.0.0:0', tls: signed }), [])
  assert.equal(await wrongInFunction({ listen: '0.0.0.0:0', insecure: true }), [])
})

test.run()

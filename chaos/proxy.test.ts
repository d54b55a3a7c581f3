/** The proxy passes everything on, and disturbs whom it is told to, and nobody else. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { clientIdOf, TcpProxy } from './proxy.js'

/** The head of a request of Kafka's protocol, which names its client. */
function request(clientId: string): Buffer {
  const head = Buffer.alloc(14)
  head.writeInt32BE(10 + clientId.length, 0)
  head.writeInt16BE(18, 4)
  head.writeInt16BE(clientId.length, 12)
  return Buffer.concat([head, Buffer.from(clientId)])
}

/** Sends back what it gets. */
async function echo(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function throughProxy(work: (proxy: TcpProxy) => Promise<void>): Promise<void> {
  const server = await echo()
  {
    await using proxy = await TcpProxy.listen()
    proxy.forwardTo((server.address() as AddressInfo).port)
    await work(proxy)
  }
  server.close()
}

class Client {
  readonly socket: Socket
  received = Buffer.alloc(0)

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes])
    })
    this.socket.on('error', () => undefined)
  }

  /** Sends, and waits for the echo. */
  async exchange(bytes: Buffer): Promise<void> {
    const wanted = this.received.length + bytes.length
    this.socket.write(bytes)
    while (this.received.length < wanted) await once(this.socket, 'data')
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close')
  }
}

test('a request names its client as soon as the name has arrived', () => {
  const bytes = request('member-1')
  assert.is(clientIdOf(bytes), 'member-1')
  assert.is(clientIdOf(bytes.subarray(0, 13)), undefined)
  assert.is(clientIdOf(bytes.subarray(0, 20)), undefined)
})

test('bytes arrive as they were sent', () =>
  throughProxy(async (proxy) => {
    const client = new Client(proxy.port)
    const bytes = Buffer.concat([request('one'), Buffer.alloc(3_000_000, 'abcdefg')])
    await client.exchange(bytes)
    assert.ok(client.received.equals(bytes))
    client.socket.destroy()
  }))

test('a cut closes the connections of one member, now and later, until it is undone', () =>
  throughProxy(async (proxy) => {
    const one = new Client(proxy.port)
    const two = new Client(proxy.port)
    await one.exchange(request('one'))
    await two.exchange(request('two'))
    const undo = proxy.cut('one')
    await one.closed()
    const again = new Client(proxy.port)
    again.socket.write(request('one'))
    await again.closed()
    await two.exchange(Buffer.from('still there'))
    undo()
    const back = new Client(proxy.port)
    await back.exchange(request('one'))
    back.socket.destroy()
    two.socket.destroy()
  }))

test('a cut of all closes every connection', () =>
  throughProxy(async (proxy) => {
    const clients = ['one', 'two'].map((name) => ({ name, client: new Client(proxy.port) }))
    for (const { name, client } of clients) await client.exchange(request(name))
    proxy.cut(null)
    await Promise.all(clients.map(({ client }) => client.closed()))
  }))

test('a delay holds up both ways of one member and keeps the order of the bytes', () =>
  throughProxy(async (proxy) => {
    const slow = new Client(proxy.port)
    const fast = new Client(proxy.port)
    await slow.exchange(request('slow'))
    await fast.exchange(request('fast'))
    const undo = proxy.delay('slow', 60)
    const before = performance.now()
    const delayed = slow.exchange(Buffer.from('1')).then(() => slow.exchange(Buffer.from('2')))
    await fast.exchange(Buffer.from('passes'))
    assert.is(slow.received.length, request('slow').length, 'the other member did not wait')
    await delayed
    // Two round trips; timers may fire up to a millisecond early.
    assert.ok(performance.now() - before >= 4 * 59)
    undo()
    assert.is(slow.received.subarray(-2).toString(), '12')
    slow.socket.destroy()
    fast.socket.destroy()
  }))

test.run()

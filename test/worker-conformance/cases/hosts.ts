/** Hosts that go, come back, refuse, or speak a later version of the contract. */
import { status } from '@grpc/grpc-js'
import protobuf from 'protobufjs/minimal.js'
import * as assert from 'uvu/assert'
import { v1 } from '../../../ts/contracts/worker-contract.js'
import type { Case } from '../conformance.js'
import { hostTimeMs } from '../scripted-host.js'

const { Status } = v1
/** Of a field, and of a kind of message, that no version has. */
const UNKNOWN_FIELD = 1_999
const WIRE_TYPE_BYTES = 2

/** With a field more than this version knows. */
function withUnknownField(bytes: Uint8Array): Uint8Array {
  const writer = protobuf.Writer.create()
  writer.uint32((UNKNOWN_FIELD << 3) | WIRE_TYPE_BYTES).string('from the future')
  return Buffer.concat([bytes, writer.finish()])
}

function nested(field: number, bytes: Uint8Array): Uint8Array {
  return protobuf.Writer.create()
    .uint32((field << 3) | WIRE_TYPE_BYTES)
    .bytes(bytes)
    .finish()
}

export const hosts: readonly Case[] = [
  {
    title: 'a host that is restarted is dialled again, and handlers of its leases are cancelled and not answered for',
    async play(scene) {
      const { session } = await scene.open()
      const [[lost] = []] = session.lease([[{ orders: { hangUntilCancelled: true } }]])
      await scene.event('start', lost)
      await scene.stopHost()
      await scene.event('cancelled', lost)
      const host = await scene.startHost()
      const next = await host.welcomed()
      const [[lease] = []] = next.lease([[{}]])
      assert.is((await next.settlementOf(lease)).status, Status.STATUS_COMPLETED)
      assert.is(next.settlements.length, 1)
      assert.equal(next.violations, [])
    },
  },
  {
    title: 'a worker that is started before its host waits for it',
    async play(scene) {
      scene.startWorker()
      await scene.until(() => scene.complaints() !== '')
      const host = await scene.startHost()
      const session = await host.welcomed()
      const [[lease] = []] = session.lease([[{}]])
      assert.is((await session.settlementOf(lease)).status, Status.STATUS_COMPLETED)
    },
  },
  {
    title: 'a host that has no room is dialled again',
    async play(scene) {
      const host = await scene.startHost()
      scene.startWorker()
      const refused = await host.session()
      await refused.hello()
      refused.refuse(status.RESOURCE_EXHAUSTED, 'no room')
      const session = await host.welcomed()
      assert.ok(session)
    },
  },
  {
    title: 'a host that does not want the worker ends it: an exit code that is not 0, and the host’s reason on stderr',
    async play(scene) {
      const host = await scene.startHost()
      const worker = scene.startWorker()
      const session = await host.session()
      await session.hello()
      session.refuse(status.UNAUTHENTICATED, 'the token is not mine')
      assert.is.not(await worker.ended(), 0)
      assert.match(worker.stderr, /the token is not mine/)
    },
  },
  {
    title:
      'a host that ends a session which has begun is dialled again, whatever it says: the token may be another one then',
    async play(scene) {
      const { host, session } = await scene.open()
      session.refuse(status.UNAUTHENTICATED, 'its token has expired')
      const next = await host.welcomed()
      assert.ok(next)
    },
  },
  {
    title: 'a host that closes the stream without a word is dialled again',
    async play(scene) {
      const { host, session } = await scene.open()
      session.end()
      const next = await host.welcomed()
      assert.ok(next)
    },
  },
  {
    title: 'fields, capabilities and kinds of message that the worker does not know change nothing',
    async play(scene) {
      const host = await scene.startHost()
      scene.startWorker()
      const session = await host.session()
      const hello = await session.hello()
      const welcome = v1.Welcome.encode({
        contractVersion: 7,
        capabilities: ['telepathy'],
        session: 'future',
        heartbeatIntervalMs: 1_000,
        heartbeatTimeoutMs: 30_000,
        sentAtMs: hello.sentAtMs ?? 0,
        hostTimeMs: hostTimeMs(),
      }).finish()
      session.send(Buffer.from(nested(1, withUnknownField(welcome))))
      session.send(Buffer.from(nested(UNKNOWN_FIELD, Buffer.from('a kind of message that is yet to come'))))
      session.send(Buffer.alloc(0))
      const [[lease] = []] = session.lease([[{}]])
      assert.is((await session.settlementOf(lease)).status, Status.STATUS_COMPLETED)
      assert.equal(session.violations, [])
    },
  },
]

/** What messages hold arrives as it is, and so do outputs. */
import * as assert from 'uvu/assert'
import { v1 } from '../../../ts/contracts/worker-contract.js'
import { digestOf } from '../../../ts/testing/obedient-handler.js'
import type { Case } from '../conformance.js'

const { Status } = v1
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const LARGE_BYTES = 12 * 1024 * 1024

/** Key, value and headers; each absent or null is null. */
const messages: Readonly<Record<string, Partial<v1.Message.$Properties>>> = {
  'a null key': { key: null },
  'an empty key': { key: Buffer.alloc(0) },
  'a tombstone': { value: null },
  'an empty value': { value: Buffer.alloc(0) },
  'bytes that are no text': { key: Buffer.from([0xff, 0, 0xfe]), value: Buffer.from([0, 0xc3, 0x28]) },
  'headers with repeated names, null, empty and binary values': {
    headers: [
      { name: 'a', value: Buffer.from([0xff, 0]) },
      { name: 'b', value: null },
      { name: 'a', value: Buffer.alloc(0) },
      { name: '', value: Buffer.from('ü') },
    ],
  },
  'a large message': { value: Buffer.alloc(LARGE_BYTES, 'x') },
}

export const content: readonly Case[] = [
  ...Object.entries(messages).map(
    ([what, message]) =>
      ({
        title: `${what} arrives as it is`,
        async play(scene) {
          const { session } = await scene.open()
          const [[lease] = []] = session.lease([[{ message }]])
          assert.is((await session.settlementOf(lease)).status, Status.STATUS_COMPLETED)
          const [line] = scene.ledger()
          assert.is(line?.digest, digestOf(seen({ key: Buffer.from('key'), value: Buffer.alloc(0), ...message })))
          assert.is(line?.topic, 'scripted')
          assert.is(line?.offset, lease)
        },
      }) satisfies Case,
  ),
  {
    title: 'traceparent can be read from what the host adds',
    async play(scene) {
      const { session } = await scene.open()
      const [[lease] = []] = session.lease([[{ message: { metadata: { traceparent: TRACEPARENT } } }]])
      await session.settlementOf(lease)
      assert.is(scene.ledger()[0]?.traceparent, TRACEPARENT)
    },
  },
  {
    title: 'outputs come with the settlement that completes their message',
    async play(scene) {
      const { session } = await scene.open()
      const output = { topic: 'out', value: 'ü' }
      const [[lease] = []] = session.lease([[{ orders: { output } }]])
      const { status, outputs = [] } = await session.settlementOf(lease)
      assert.is(status, Status.STATUS_COMPLETED)
      assert.is(outputs?.length, 1)
      assert.is(outputs?.[0]?.topic, 'out')
      assert.equal(Buffer.from(outputs?.[0]?.value ?? []), Buffer.from('ü'))
      assert.ok([null, undefined].includes(outputs?.[0]?.key as null), 'no key is null, not empty')
      assert.ok([null, undefined].includes(outputs?.[0]?.partition as null), 'the key decides')
    },
  },
  {
    title: 'where the host takes no outputs, sending is a failure, and the later leases of the run are forgotten',
    async play(scene) {
      const { session } = await scene.open({ capabilities: [] })
      const [run = [], other = []] = session.lease([[{ orders: { output: { topic: 'out', value: 'v' } } }, {}], [{}]])
      const { status, outputs, error } = await session.settlementOf(run[0])
      assert.is(status, Status.STATUS_FAILED)
      assert.match(error?.code ?? '', /not.?transactional/i)
      assert.equal(outputs ?? [], [])
      await session.settlementOf(other[0])
      assert.not(scene.events().includes(`start ${run[1]}`))
    },
  },
  {
    title: 'outputs of an attempt that fails are not sent',
    async play(scene) {
      const { session } = await scene.open()
      const [[lease] = []] = session.lease([[{ orders: { output: { topic: 'out', value: 'v' }, outcome: 'fail' } }]])
      const { outputs } = await session.settlementOf(lease)
      assert.equal(outputs ?? [], [])
    },
  },
]

/** As a handler sees it. */
function seen({ key, value, headers }: Partial<v1.Message.$Properties>): Parameters<typeof digestOf>[0] {
  const bytes = (content: Uint8Array | null | undefined) => (content ? Buffer.from(content) : null)
  return {
    key: bytes(key),
    value: bytes(value),
    headers: (headers ?? []).map((header) => [header.name ?? '', bytes(header.value)] as const),
  }
}

/** Keys, values and headers arrive as they were produced: whatever their size, and null where they were null. */
import { expect } from '../broken.js'
import type { CaseInScene } from '../engine-contract.js'
import type { Scene } from '../scene.js'

const MIB = 1024 * 1024

/** Every byte there is, in an order that shifts: what is mangled, cut or swapped shows in the digest. */
const bytes = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => (i + (i >> 8)) & 255))

async function handleAll(scene: Scene): Promise<void> {
  const life = await scene.begin()
  await life.untilAllIsCommitted()
  await life.close()
  scene.checkAllRan(scene.ledger())
}

export const contentCases: readonly CaseInScene[] = [
  {
    name: 'null keys, tombstones, empty and binary content and headers arrive as they were produced',
    async play(scene) {
      const binary = bytes(512)
      await scene.produce([
        { key: null },
        { key: 'deleted', value: null },
        { key: null, value: null },
        { key: '', value: Buffer.alloc(0) },
        { key: binary, value: binary },
        { key: 'ключ', value: Buffer.from('значение') },
        {
          key: 'with headers',
          headers: [
            ['binary', binary],
            ['null', null],
            ['empty', Buffer.alloc(0)],
            ['again', Buffer.from('1')],
            ['again', Buffer.from('2')],
            ['имя', Buffer.from('a name that is not ASCII')],
          ],
        },
        { key: null, value: null, headers: [['of a tombstone', Buffer.from([0])]] },
      ])
      await handleAll(scene)
    },
  },
  {
    name: 'messages of 1 MiB arrive whole, among small ones',
    partitions: 2,
    async play(scene) {
      for (let i = 0; i < 4; i += 1) {
        const partition = i % 2
        await scene.produce([
          { key: `large ${i}`, value: bytes(MIB + i), partition },
          { key: `large ${i}`, value: {}, partition },
        ])
      }
      await handleAll(scene)
    },
  },
  {
    name: 'the trace of a message reaches its handler',
    async play(scene) {
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      await scene.produce([{ key: 'traced', headers: [['traceparent', Buffer.from(traceparent)]] }])
      await handleAll(scene)
      const [run] = scene.ledger().runs
      expect(run?.traceparent === traceparent, 'traceparent is seen', () => String(run?.traceparent))
    },
  },
]

/** The suite `tracker`: which offsets are settled, up to the commit of it. */
import { Random } from '../../chaos/random.js'
import { newNativeTracker } from './native-tracker.js'
import { SetWatermark, SortedWatermark, type Watermark } from './plain/watermarks.js'
import { type Case, type Contender, casesAlone, type Suite } from './suite.js'

const OFFSETS = 100_000
/** Settled together, as the settlements of a batch are. */
const BATCH = 1_000
/** What is in flight at once ends in any order. */
const IN_FLIGHT = 1_000

const WINDOW = 1_000_000
const GAP_SHARE = 0.01
/** Of Kafka's default offset.metadata.max.bytes. */
const METADATA_UNITS = 4096

const ORDERS = {
  'in order': () => upTo(OFFSETS),
  'in any order of what is in flight': shuffledInFlight,
  'the first one last, behind it in order': () => [...upTo(OFFSETS).slice(1), 0],
} as const

const upTo = (end: number): number[] => Array.from({ length: end }, (_, offset) => offset)

function shuffledInFlight(): number[] {
  const random = new Random('micro', 'tracker')
  const offsets = upTo(OFFSETS)
  return offsets.flatMap((from) =>
    from % IN_FLIGHT === 0 ? random.shuffled(offsets.slice(from, from + IN_FLIGHT)) : [],
  )
}

function batchesOf(offsets: readonly number[]): Float64Array[] {
  return offsets.flatMap((_, from) =>
    from % BATCH === 0 ? [Float64Array.from(offsets.slice(from, from + BATCH))] : [],
  )
}

/** The committable offset after each batch. */
function settleAll(watermark: Pick<Watermark, 'settle'>, batches: readonly Float64Array[]): number[] {
  return batches.map((batch) => watermark.settle(batch))
}

function delivered(end: number): ReturnType<typeof newNativeTracker> {
  const tracker = newNativeTracker()
  tracker.deliver(end)
  return tracker
}

function settlingCase([order, offsets]: readonly [string, () => number[]]): Case {
  const batches = batchesOf(offsets())
  const contender = (label: string, role: Contender['role'], make: () => Pick<Watermark, 'settle'>): Contender => {
    const run = (): number[] => settleAll(make(), batches)
    return { label, role, run, check: run }
  }
  return {
    title: `${OFFSETS.toLocaleString('en')} offsets delivered and settled ${order}`,
    operation: 'offset',
    operations: OFFSETS,
    contenders: [
      contender('laneway', 'laneway', () => delivered(OFFSETS)),
      contender('a set and a low watermark', 'plain', () => new SetWatermark()),
      contender('a sorted array and a low watermark', 'plain', () => new SortedWatermark()),
    ],
  }
}

function commitCase(): Case {
  const random = new Random('micro', 'commit')
  // The lowest is a gap, so that the window is as long as it says; the highest is settled.
  const settled = upTo(WINDOW).filter((offset) => offset > 0 && (offset === WINDOW - 1 || random.next() >= GAP_SHARE))
  const batches = batchesOf(settled)
  const tracker = delivered(WINDOW)
  settleAll(tracker, batches)
  const plain = (label: string, watermark: Watermark): Contender => {
    const committable = settleAll(watermark, batches).at(-1)
    const run = (): string => JSON.stringify({ committable, gaps: watermark.gaps() })
    return { label, role: 'plain', run, check: () => watermark.gaps(), units: run().length }
  }
  const metadata = tracker.commitMetadata(METADATA_UNITS)
  return {
    title: `what a commit carries: ${WINDOW.toLocaleString('en')} offsets, 1 % of them gaps`,
    operation: 'commit',
    operations: 1,
    contenders: [
      {
        label: 'laneway, as much as fits into 4,096 units',
        role: 'laneway',
        run: () => tracker.commitMetadata(METADATA_UNITS),
        check: () => Array.from(tracker.gaps()),
        units: metadata.length,
      },
      plain('a set, gaps as JSON', new SetWatermark()),
      plain('a sorted array, gaps as JSON', new SortedWatermark()),
    ],
  }
}

export const tracker: Suite = {
  id: 'tracker',
  title: 'Offset tracker',
  description:
    'Which offsets of a partition are settled, and the lowest that is not. Settled in batches of 1,000, as they cross to ' +
    'native code; in the product the dispatcher calls the tracker, off the JavaScript thread for commits.',
  open: async () => casesAlone([...Object.entries(ORDERS).map(settlingCase), commitCase()]),
}

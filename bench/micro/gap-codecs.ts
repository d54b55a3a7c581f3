/** The suite `gap-codecs`: gap maps to text of commit metadata and back. */
import { Random } from '../../chaos/random.js'
import { addon, type RawCarrier } from '../../ts/native.js'
import { fromJson, fromRunLengths, type Gaps, toJson, toRunLengths } from './plain/gap-texts.js'
import { type Case, type Contender, casesAlone, type Suite } from './suite.js'

const BASE = 7_000_000
const OFFSETS = 20_000
/** Nothing is cut: how much fits is not what is compared here. */
const ANY_UNITS = 1_000_000
const BURST = 100

interface Codec {
  readonly label: string
  readonly role: Contender['role']
  encode(gaps: Gaps): string
  decode(text: string): ArrayLike<number>
}

function native(label: string, format: 'laneway' | 'confluent', carrier: RawCarrier): Codec {
  return {
    label,
    role: 'laneway',
    encode: ({ base, highest, gaps }) => addon.encodeMetadata(base, highest, gaps, format, carrier, ANY_UNITS).metadata,
    decode: (text) => addon.decodeMetadata(BASE, text, format).gaps,
  }
}

const CODECS: readonly Codec[] = [
  native('laneway, base32768', 'laneway', 'base32768'),
  native('laneway, base64', 'laneway', 'base64'),
  native("the Java Parallel Consumer's format", 'confluent', 'base64'),
  { label: 'gaps as JSON', role: 'plain', encode: toJson, decode: fromJson },
  {
    label: 'run lengths in base64',
    role: 'plain',
    encode: toRunLengths,
    decode: (text) => fromRunLengths(BASE, text),
  },
]

/** Each offset alone, or in bursts that are settled or not as a whole. */
function gapsOf(share: number, burst: number): Gaps {
  const random = new Random('micro', 'gaps', share, burst)
  const gaps: number[] = []
  let isGap = true
  for (let index = 0; index < OFFSETS - 1; index += 1) {
    if (index > 0 && random.next() * burst < 1) isGap = random.next() < share
    if (isGap) gaps.push(BASE + index)
  }
  return { base: BASE, highest: BASE + OFFSETS - 1, gaps: Float64Array.from(gaps) }
}

function casesOf(shape: string, gaps: Gaps): Case[] {
  const of = `${OFFSETS.toLocaleString('en')} offsets, ${shape}`
  const operations = 1
  const encoding = CODECS.map(({ label, role, encode, decode }): Contender => {
    const run = (): string => encode(gaps)
    return { label, role, run, check: () => Array.from(decode(run())), units: run().length }
  })
  const decoding = CODECS.map(({ label, role, encode, decode }): Contender => {
    const text = encode(gaps)
    return { label, role, run: () => decode(text), check: () => Array.from(decode(text)) }
  })
  return [
    { title: `encode ${of}`, operation: 'map', operations, contenders: encoding },
    { title: `decode ${of}`, operation: 'map', operations, contenders: decoding },
  ]
}

export const gapCodecs: Suite = {
  id: 'gap-codecs',
  title: 'Gap map codecs',
  description:
    'A gap map becomes text and text a gap map. From JavaScript each call also turns a list of gaps into bits or bits ' +
    'into a list, which the product does not do when it commits. The broker takes 4,096 units by default.',
  open: async () =>
    casesAlone([
      ...casesOf('1 % gaps', gapsOf(0.01, 1)),
      ...casesOf('half of them gaps', gapsOf(0.5, 1)),
      ...casesOf('gaps in bursts', gapsOf(0.5, BURST)),
    ]),
}

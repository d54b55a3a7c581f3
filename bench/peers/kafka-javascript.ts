/**
 * The peer `@confluentinc/kafka-javascript`: its promisified API, which it recommends to start with, and its callback
 * API. Each way of using it takes part twice: at the settings of the C loop, and with every setting at its default.
 */
import { TUNED_PROPERTIES } from '../contestants/registry.js'
import { installKafkaJavascript } from './kafka-javascript/install.js'
import { nodePeer, type Way } from './node-peer.js'

/**
 * The limit on messages in a batch is one of the client, 32 unless this says otherwise (MIGRATION.md, "Semantic and
 * Per-Method Changes"). As many as a call of the callback API asks for; without a limit it is no faster, and its cache of
 * messages has none either.
 */
export const LARGE_BATCHES = { 'js.consumer.max.batch.size': '1000' } as const

const program = (name: 'promisified' | 'classic'): URL => new URL(`./kafka-javascript/${name}.js`, import.meta.url)

const ordered = { keepsKeyOrder: true, concurrent: false, lz4: true, properties: TUNED_PROPERTIES } as const

const WAYS: readonly Way[] = [
  {
    ...ordered,
    id: 'kafka-javascript-each-message',
    label: 'kafka-javascript eachMessage',
    program: program('promisified'),
    args: ['each-message', '1'],
  },
  {
    ...ordered,
    id: 'kafka-javascript-each-message-4',
    label: 'kafka-javascript eachMessage, 4 partitions at once',
    program: program('promisified'),
    args: ['each-message', '4'],
  },
  {
    ...ordered,
    id: 'kafka-javascript-each-batch',
    label: 'kafka-javascript eachBatch',
    program: program('promisified'),
    args: ['each-batch', '1'],
    properties: { ...TUNED_PROPERTIES, ...LARGE_BATCHES },
  },
  {
    ...ordered,
    id: 'kafka-javascript-consume',
    label: 'kafka-javascript consume(1000)',
    program: program('classic'),
    args: ['consume'],
  },
  {
    ...ordered,
    id: 'kafka-javascript-flowing',
    label: 'kafka-javascript flowing',
    keepsKeyOrder: false,
    concurrent: true,
    program: program('classic'),
    args: ['flowing'],
  },
]

/** The same at the client's own defaults. */
export function atDefaults(way: Way): Way {
  return { ...way, id: `${way.id}-defaults`, label: `${way.label}, its defaults`, properties: {} }
}

export const kafkaJavascript = nodePeer(
  'kafka-javascript',
  WAYS.flatMap((way) => [way, atDefaults(way)]),
  async (say) => ({ folder: await installKafkaJavascript(say), node: process.execPath }),
)

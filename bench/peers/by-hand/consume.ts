/**
 * Contestant: what users write by hand on the promisified API of `@confluentinc/kafka-javascript`. Inside `eachBatch` keys
 * are handled side by side; the batch's offset is resolved, and so committed, when all of it has been handled: the
 * slowest key of a batch holds up its partition. Batches of several partitions are in work at once, so that it does not
 * hold up the others too; they share the limit on handlers at once.
 *
 *   consume.js TASK FOLDER
 */
import { Run } from '../../contestants/run.js'
import { loadKafkaJavascript, promisifiedConsumer, versionsOf } from '../kafka-javascript/package.js'
import { handleByKey } from './key-chains.js'
import { Semaphore } from './semaphore.js'

/** As many as the benchmarks' topics have by default; the client holds more messages in memory, the larger this is. */
const PARTITIONS_AT_ONCE = 4

const run = new Run()
const folder = process.argv[3] ?? ''
const peer = await loadKafkaJavascript(folder)
const consumer = promisifiedConsumer(peer, run.task)
const semaphore = new Semaphore(run.task.concurrency)
await consumer.connect()
run.subscribing()
await consumer.subscribe({ topic: run.task.topic })
await consumer.run({
  partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
  eachBatchAutoResolve: false,
  eachBatch: async ({ batch, resolveOffset }) => {
    await handleByKey(batch.messages, (message) => semaphore.run(() => run.handle(message)))
    resolveOffset(batch.lastOffset())
  },
})
await run.finished
run.end(await versionsOf(peer, folder))
await consumer.disconnect()

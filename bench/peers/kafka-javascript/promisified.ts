/**
 * Contestant: the promisified API of `@confluentinc/kafka-javascript`, as its INTRODUCTION.md ("Consuming") shows it.
 * It commits every five seconds what handlers have ended, and at the end.
 *
 *   promisified.js TASK FOLDER each-message|each-batch PARTITIONS
 */
import { Run } from '../../contestants/run.js'
import { loadKafkaJavascript, promisifiedConsumer, versionsOf } from './package.js'

const run = new Run()
const [, , , folder = '', mode, partitions] = process.argv
const peer = await loadKafkaJavascript(folder)
const consumer = promisifiedConsumer(peer, run.task)
await consumer.connect()
run.subscribing()
await consumer.subscribe({ topic: run.task.topic })
await consumer.run({
  partitionsConsumedConcurrently: Number(partitions),
  ...(mode === 'each-batch'
    ? {
        eachBatch: async ({ batch }) => {
          for (const message of batch.messages) {
            const working = run.handle(message)
            if (working !== undefined) await working
          }
        },
      }
    : { eachMessage: async ({ message }) => run.handle(message) }),
})
await run.finished
run.end(await versionsOf(peer, folder))
await consumer.disconnect()

// A service around ParallelConsumer: it drains on SIGINT and SIGTERM, and ends with a code where a message cannot be
// processed, so that whatever supervises it knows.
//
//   node examples/payments.mjs localhost:9092
import { setTimeout as sleep } from 'node:timers/promises'
import { exponentialBackoff, LanewayError, ParallelConsumer } from 'laneway'

const [, , brokers = 'localhost:9092'] = process.argv

async function settlePayment(account, payment, signal) {
  await sleep(20, undefined, { signal })
  process.stdout.write(`${account} ${payment}\n`)
}

const consumer = new ParallelConsumer({
  kafka: { 'bootstrap.servers': brokers, 'group.id': 'payments' },
  topics: ['payments'],
  order: 'key',
  retry: { maxAttempts: 5, delay: exponentialBackoff({ initial: 100, max: 30_000 }) },
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => consumer.close())

try {
  // All payments of one account run in order, one at a time; different accounts run at once.
  await consumer.run((message, { signal }) => settlePayment(message.key, message.value, signal))
} catch (error) {
  if (!LanewayError.is(error)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n`)
  process.exitCode = 1
}

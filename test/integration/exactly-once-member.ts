/**
 * A member for the tests of exactly once that is killed from outside: it tells how many messages it has handled, and the
 * code of the error that ended it. It ends with the process that started it.
 */

import { LanewayError } from '../../ts/errors.js'
import { ParallelConsumer, type ParallelConsumerOptions } from '../../ts/index.js'
import { quietLogger, transform } from './exactly-once.js'

const TELL_EVERY = 50

const { options, output } = JSON.parse(process.argv[2] ?? '') as {
  options: ParallelConsumerOptions
  output: string
}
process.stdin.on('end', () => process.exit(2)).resume()

const consumer: ParallelConsumer = new ParallelConsumer({ ...options, logger: quietLogger })
process.once('SIGTERM', () => void consumer.close())
const handler = transform(output)
let handled = 0
try {
  await consumer.run(async (message, context) => {
    await handler(message, context)
    handled += 1
    if (handled % TELL_EVERY === 0) process.stdout.write(`${handled}\n`)
  })
} catch (error) {
  process.stdout.write(`${LanewayError.is(error) ? error.code : String(error)}\n`)
}
process.exit(0)

// A handler for `laneway consume`: returning settles the message, throwing fails the attempt. What takes time listens to
// the signal, which is aborted when the consumer stops without waiting. Each attempt has its own.
import { setTimeout as sleep } from 'node:timers/promises'

export default async function handle(message, { attempt, signal }) {
  await sleep(5, undefined, { signal })
  if (message.value?.toString() === 'fail once' && attempt === 1) throw new Error('as asked')
}

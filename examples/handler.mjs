// A handler for `laneway consume`: returning settles the message, throwing fails the attempt. What takes time listens to
// the signal, which is aborted when the consumer stops without waiting; a listener that stays behind would be a leak,
// and Node's own timers, fetch and streams leave none.
import { setTimeout as sleep } from 'node:timers/promises'

export default async function handle(message, { attempt, signal }) {
  await sleep(5, undefined, { signal })
  if (message.value?.toString() === 'fail once' && attempt === 1) throw new Error('as asked')
}

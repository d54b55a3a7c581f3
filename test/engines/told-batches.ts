/** As told-handler.ts, for batches: each message has its outcome by itself; a crash takes the whole batch along. */
import type { BatchContext, HandlerContext, Message } from 'laneway'
import { type Data, setUp as setUpMessages } from './told-handler.js'

export function setUp(data: Data): (messages: readonly Message[], context: BatchContext) => Promise<void> {
  const handle = setUpMessages(data)
  return async (messages, context) => {
    for (const message of messages) {
      const one: HandlerContext = {
        signal: context.signal,
        attempt: context.attempt(message),
        firstFailedAt: context.firstFailedAt(message),
        send: (record) => context.send(message, record),
      }
      try {
        await handle(message, one)
        context.complete(message)
      } catch (error) {
        context.fail(message, error)
      }
    }
  }
}

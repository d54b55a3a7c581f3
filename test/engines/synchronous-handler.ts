/** As told-handler.ts, for handlers that return no promise: they end, or the process ends, and nothing is in between. */
import { appendFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import type { HandlerContext, Message } from 'laneway'
import type { Data, Line, Told } from './told-handler.js'

export const setUp =
  ({ ledger }: Data) =>
  ({ key, value, offset, partition }: Message, { attempt }: HandlerContext): void => {
    const { crash, until = 0 } = JSON.parse(String(value)) as Told
    const write = (event: Line['event']): void => {
      const line: Line = { event, key: String(key), offset, partition, attempt, thread: threadId }
      appendFileSync(ledger, `${JSON.stringify(line)}\n`)
    }
    write('start')
    if (crash !== undefined && attempt < until) process.exit(7)
    write('end')
  }

/** A handler module for worker threads: the transform of exactly-once.ts, in threads that end now and then. */
import type { Handler } from '../../ts/ports/engine.js'
import { transform } from './exactly-once.js'

export interface LeavingTransform {
  readonly output: string
  /** Of the first attempts: what part ends its thread, after it has sent something. */
  readonly leaving: number
}

export function setUp({ output, leaving }: LeavingTransform): Handler {
  const handle = transform(output)
  return (message, context) => {
    const result = handle(message, context)
    if (context.attempt === 1 && Math.random() < leaving) process.exit(9)
    return result
  }
}

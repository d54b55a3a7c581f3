/**
 * Handlers that get decoded messages, as the handlers of messages that engines know. A message that cannot be decoded is
 * a failed attempt with `DESERIALIZATION_FAILED`, of which the failure policy knows what to do; in a batch it fails alone.
 */
import { type DecodedMessage, type Decoders, decodeMessage } from './decoding.js'
import type { BatchContext, BatchHandler, Handler, Message, OutgoingRecord } from './ports/engine.js'
import { isThenable } from './thenable.js'

type Decoded = DecodedMessage<unknown, unknown>

const decode = (message: Message, decoders: Decoders): Decoded | Promise<Decoded> =>
  decodeMessage(message, decoders) as Decoded | Promise<Decoded>

/** What the user's handler asks for is what these decoders give: ParallelConsumer's type says so to the user. */
const given = (decoded: Decoded): never => decoded as never

export function decodingHandler(decoders: Decoders, handler: Handler<never>): Handler {
  return (message, context) => {
    const decoded = decode(message, decoders)
    return isThenable(decoded)
      ? decoded.then((later) => handler(given(later), context))
      : handler(given(decoded), context)
  }
}

/** The context of the messages as they came, for decoded ones. */
class DecodedBatchContext implements BatchContext<Decoded> {
  readonly #context: BatchContext

  constructor(context: BatchContext) {
    this.#context = context
  }

  get signal(): AbortSignal {
    return this.#context.signal
  }

  attempt(message: Decoded): number {
    return this.#context.attempt(message.raw)
  }

  firstFailedAt(message: Decoded): number | undefined {
    return this.#context.firstFailedAt(message.raw)
  }

  complete(message: Decoded): void {
    this.#context.complete(message.raw)
  }

  fail(message: Decoded, error: unknown): void {
    this.#context.fail(message.raw, error)
  }

  send(message: Decoded, record: OutgoingRecord): void {
    this.#context.send(message.raw, record)
  }
}

export function decodingBatchHandler(decoders: Decoders, handler: BatchHandler<never>): BatchHandler {
  return async (messages, context) => {
    const decoded: Decoded[] = []
    for (const message of messages) {
      try {
        decoded.push(await decode(message, decoders))
      } catch (error) {
        context.fail(message, error)
      }
    }
    if (decoded.length > 0) await handler(decoded.map(given), new DecodedBatchContext(context))
  }
}

/** The user's module in a worker thread: what it exports becomes a handler of messages as they come. */
import { z } from 'zod'
import { decodingBatchHandler, decodingHandler } from '../../decoded-handlers.js'
import { type Decoders, decoderOption } from '../../decoding.js'
import { LanewayError } from '../../errors.js'
import type { BatchHandler, Handler } from '../../ports/engine.js'
import { validate } from '../../validation.js'

/** What a handler module exports. */
export interface HandlerModule {
  /** The handler: a BatchHandler where the consumer runs batches. Not asked for where there is `setUp`. */
  readonly default?: unknown
  /** Called once in each worker with the option `data`; returns the handler, or a promise of it. */
  readonly setUp?: unknown
  /** How keys and values are decoded before the handler gets them; as the consumer's option, without `onError`. */
  readonly deserialize?: unknown
}

const decoders = z.strictObject({ key: decoderOption.optional(), value: decoderOption.optional() })

const invalid = (url: string, reason: string, cause?: unknown): LanewayError =>
  new LanewayError('HANDLER_MODULE_INVALID', `${url} ${reason}`, { cause })

async function importModule(url: string): Promise<HandlerModule> {
  try {
    return (await import(url)) as HandlerModule
  } catch (cause) {
    throw invalid(url, `cannot be loaded: ${String(cause)}`, cause)
  }
}

async function handlerOf(url: string, module: HandlerModule, data: unknown): Promise<Handler & BatchHandler> {
  const { setUp } = module
  if (setUp === undefined) {
    if (typeof module.default === 'function') return module.default as Handler & BatchHandler
    throw invalid(url, 'has no function as its default export, and no function setUp')
  }
  if (typeof setUp !== 'function') throw invalid(url, 'exports a setUp that is no function')
  let handler: unknown
  try {
    handler = await setUp(data)
  } catch (cause) {
    throw invalid(url, `cannot be set up: ${String(cause)}`, cause)
  }
  if (typeof handler === 'function') return handler as Handler & BatchHandler
  throw invalid(url, 'has a setUp that returned no function')
}

function decodersOf(url: string, module: HandlerModule): Decoders | undefined {
  const { deserialize } = module
  if (deserialize === undefined) return undefined
  try {
    return validate(decoders, deserialize, 'deserialize')
  } catch (cause) {
    throw invalid(url, `exports a deserialize that is none: ${String(cause)}`, cause)
  }
}

/** The handlers that a module stands for; which one is asked for is the consumer's business. */
export interface LoadedHandlers {
  readonly handler: Handler
  readonly batchHandler: BatchHandler
}

/** @throws LanewayError `HANDLER_MODULE_INVALID` */
export async function loadHandlers(url: string, data: unknown): Promise<LoadedHandlers> {
  const module = await importModule(url)
  const decoding = decodersOf(url, module)
  const handler = await handlerOf(url, module, data)
  if (decoding === undefined) return { handler, batchHandler: handler }
  return {
    handler: decodingHandler(decoding, handler as Handler<never>),
    batchHandler: decodingBatchHandler(decoding, handler as BatchHandler<never>),
  }
}

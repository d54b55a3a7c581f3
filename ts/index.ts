/**
 * The public surface of laneway, and nothing else: what is not exported here or in `laneway/testing` may change at any
 * time. This file must not hold code of its own.
 */
export type { ParallelConsumerOptions } from './config.js'
export { type CloseOptions, type ConsumerStats, ParallelConsumer } from './consumer.js'
export { inline } from './engines/inline.js'
export { type ConfigIssue, ERROR_CODES, type ErrorCode, LanewayError } from './errors.js'
export type {
  Engine,
  EngineHost,
  FailureDecision,
  Handler,
  HandlerContext,
  Message,
  StopMode,
  Taker,
} from './ports/engine.js'
export type { LogFields, Logger } from './ports/logger.js'
export { type ExponentialBackoffOptions, exponentialBackoff, type RetryDelay } from './retry.js'

/**
 * The public surface of laneway, and nothing else: what is not exported here or in `laneway/testing` may change at any
 * time. This file must not hold code of its own.
 */
export type { BatchOptions, ParallelConsumerOptions, Retryable } from './config.js'
export { type CloseOptions, type ConsumerStats, type MessageOf, ParallelConsumer } from './consumer.js'
export { WorkerError } from './contracts/worker-error.js'
export { DEAD_LETTER_HEADERS } from './dead-letter.js'
export {
  type BytesDecoder,
  type Decoded,
  DecodedMessage,
  type Decoder,
  type DecoderFunction,
  type Decoders,
  SchemaError,
} from './decoding.js'
export { type CallFunctionOptions, callFunction } from './engines/call-function.js'
export { inline } from './engines/inline.js'
export { type ProcessesOptions, processes } from './engines/processes.js'
export { type RemoteWorkersEngine, type RemoteWorkersOptions, remoteWorkers } from './engines/remote-workers.js'
export type { WorkerOptions } from './engines/worker-options.js'
export { type WorkerThreadsOptions, workerThreads } from './engines/worker-threads.js'
export { type ConfigIssue, ERROR_CODES, type ErrorCode, LanewayError } from './errors.js'
export type { ConsumerHealth, ConsumerState, PartitionHealth, StandingMessage } from './health.js'
export type { ClientTls, ServerTls } from './net/tls.js'
export { DeadLetterMessage, DropMessage, FatalError, RetryMessage } from './outcomes.js'
export type {
  BatchContext,
  BatchHandler,
  BatchPlan,
  DeadLetter,
  Engine,
  EngineHost,
  FailedAttempt,
  FailureDecision,
  Handler,
  HandlerContext,
  HandlerHost,
  Message,
  OutgoingRecord,
  StopMode,
  Taker,
} from './ports/engine.js'
export type { LogFields, Logger } from './ports/logger.js'
export { type ExponentialBackoffOptions, exponentialBackoff, type RetryDelay } from './retry.js'

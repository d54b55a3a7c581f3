/**
 * `laneway/worker`: workers in Node for a laneway host elsewhere, and functions that a host calls. It loads no native
 * code, so that it runs where the host does not.
 */
export { type ConfigIssue, ERROR_CODES, type ErrorCode, LanewayError } from '../errors.js'
export type { ClientTls, ServerTls } from '../net/tls.js'
export { DeadLetterMessage, DropMessage, FatalError, RetryMessage } from '../outcomes.js'
export type { Message, OutgoingRecord } from '../ports/engine.js'
export type { LogFields, Logger } from '../ports/logger.js'
export type { WorkerContext, WorkerHandler } from './attempt.js'
export type { FunctionServerOptions } from './function-options.js'
export { type FunctionServer, serveFunction } from './function-server.js'
export type { WorkerOptions, WorkerToken } from './options.js'
export { Worker } from './worker.js'

/**
 * The contract with workers (proto/laneway/worker/v1) as TypeScript sees it: the generated messages under a short name,
 * and the two services in the form that gRPC takes them. Whoever imports this loads protobufjs.
 */
import type { MethodDefinition } from '@grpc/grpc-js'
import type { Writer } from 'protobufjs/minimal.js'
import { laneway } from './generated/worker.js'

export import v1 = laneway.worker.v1

/** What this package speaks. */
export const CONTRACT_VERSION = 1

/** Of a host: settlements may bring outputs along. */
export const CAPABILITY_OUTPUTS = 'outputs'

/** Of a worker: the host knows when it starts nothing more, and when what it has started has ended (rules 3 and 4). */
export const CAPABILITY_ANSWERED_HEARTBEATS = 'answered-heartbeats'

/** 64-bit integers come as protobufjs' Long; lease ids, offsets and times are below 2^53. */
export function numberOf(value: number | { toNumber(): number } | null | undefined): number {
  if (typeof value === 'number') return value
  return value?.toNumber() ?? 0
}

interface Codec<M> {
  encode(message: M): Writer
  decode(bytes: Uint8Array): M
}

/** protobufjs writes into a Buffer where there is one, as in Node. */
function bytesOf(writer: Writer): Buffer {
  const bytes = writer.finish()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function method<Request, Response>(
  path: string,
  isStream: boolean,
  request: Codec<Request>,
  response: Codec<Response>,
): MethodDefinition<Request, Response> {
  return {
    path,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: (message) => bytesOf(request.encode(message)),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (message) => bytesOf(response.encode(message)),
    responseDeserialize: (bytes) => response.decode(bytes),
  }
}

export type WorkRequest = v1.WorkRequest.$Properties
export type WorkResponse = v1.WorkResponse.$Properties
export type CallRequest = v1.CallRequest.$Properties
export type CallResponse = v1.CallResponse.$Properties

export const workerService = {
  work: method<WorkRequest, WorkResponse>(
    '/laneway.worker.v1.WorkerService/Work',
    true,
    v1.WorkRequest,
    v1.WorkResponse,
  ),
}

export const functionService = {
  call: method<CallRequest, CallResponse>(
    '/laneway.worker.v1.FunctionService/Call',
    false,
    v1.CallRequest,
    v1.CallResponse,
  ),
}

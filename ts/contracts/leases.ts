/** Messages of a batch as leases of the contract. Keys and values are views into the batch: encoding copies them once. */
import { BatchMessage, type MessageBatch } from '../message-batch.js'
import type { Message } from '../ports/engine.js'
import type { v1 } from './worker-contract.js'

/** Names of W3C Trace Context, which travel as headers of a message and as metadata of the contract. */
const TRACE_CONTEXT = ['traceparent', 'tracestate']

function metadataOf(headers: Message['headers']): Record<string, string> {
  const metadata: Record<string, string> = {}
  for (const [name, value] of headers) {
    if (value !== null && TRACE_CONTEXT.includes(name)) metadata[name] = value.toString('utf8')
  }
  return metadata
}

/** A message of the contract. */
export function contractMessage(message: Message): v1.Message.$Properties {
  const { headers } = message
  const contract: v1.Message.$Properties = {
    offset: message.offset,
    timestampMs: message.timestamp,
    key: message.key,
    value: message.value,
  }
  if (headers.length > 0) {
    contract.headers = headers.map(([name, value]) => ({ name, value }))
    contract.metadata = metadataOf(headers)
  }
  return contract
}

/** @param deadlineMs when it ends, by the host's clock */
export function contractLease(
  batch: MessageBatch,
  index: number,
  at: { readonly topic: string; readonly partition: number },
  deadlineMs: number,
): v1.Lease.$Properties {
  return {
    id: batch.firstLease + index,
    message: contractMessage(new BatchMessage(batch, index, at)),
    attempt: batch.attempts[index] ?? 1,
    firstFailedAtMs: batch.firstFailedAt(index) ?? null,
    deadlineMs,
  }
}

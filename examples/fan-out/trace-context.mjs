/** W3C Trace Context, as far as a caller needs it: https://www.w3.org/TR/trace-context/ */
import { randomBytes } from 'node:crypto'

const TRACEPARENT = /^00-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})$/

/** @typedef {{ readonly traceId: string, readonly spanId: string, readonly flags: string }} Span */

/** @returns {Span} the root of a new trace, which is sampled */
export const newTrace = () => ({ traceId: randomBytes(16).toString('hex'), spanId: newSpanId(), flags: '01' })

/** @param {Span} parent */
export const childOf = (parent) => ({ ...parent, spanId: newSpanId() })

/** @param {Span} span */
export const traceparentOf = ({ traceId, spanId, flags }) => `00-${traceId}-${spanId}-${flags}`

/**
 * The span that a message or request came in; a new trace where it has none, or none that can be read.
 * @param {string | undefined} traceparent
 * @returns {Span}
 */
export function spanOf(traceparent) {
  const found = TRACEPARENT.exec(traceparent ?? '')?.groups
  return found === undefined ? newTrace() : { traceId: found.traceId, spanId: found.spanId, flags: found.flags }
}

const newSpanId = () => randomBytes(8).toString('hex')

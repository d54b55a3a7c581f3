/**
 * Deserialization at the boundary: from the bytes of a key or a value to what a handler works with.
 *
 * Bytes come from anyone, and decoders from the user, so that everything which goes wrong here, whatever was thrown and
 * however, ends in one error, `DESERIALIZATION_FAILED`: a message that cannot be decoded is an outcome, never the end of
 * the loop. Its text names the message and nothing of its payload; the cause may quote it. What becomes of such a message
 * is not decided here. Where no decoder is asynchronous no promise is made: this runs for every message.
 */
import { z } from 'zod'
import { LanewayError } from './errors.js'
import type { Message } from './ports/engine.js'
import type { StandardIssue, StandardOutput, StandardResult, StandardSchemaV1 } from './standard-schema.js'
import { isThenable } from './thenable.js'

/**
 * Gets null for a missing key or a tombstone, and may return a promise. The bytes are the message's own: copy
 * them before changing them.
 */
export type DecoderFunction<T = unknown> = (bytes: Buffer | null, message: Message) => T | PromiseLike<T>

/** Anything that decodes bytes: a protobufjs type, a class generated from one, a codec, a client of a schema registry. */
export interface BytesDecoder<T = unknown> {
  decode(bytes: Buffer): T | PromiseLike<T>
}

/**
 * How a key or a value is decoded: as JSON (unchecked), as UTF-8 text, as JSON that a Standard Schema validates and
 * transforms, by an object with `decode()`, or by a function. Bytes that are not UTF-8 are neither text nor JSON. Null
 * stays null; only a function is asked about it.
 */
export type Decoder<T = unknown> =
  | (unknown extends T ? 'json' : never)
  | (string extends T ? 'text' : never)
  | StandardSchemaV1<unknown, T>
  | BytesDecoder<T>
  | DecoderFunction<T>

/** What a decoder makes of a key or a value; without a decoder it stays as it is. */
export type Decoded<D extends Decoder | undefined> = D extends undefined
  ? Buffer | null
  : D extends 'json'
    ? unknown
    : D extends 'text'
      ? string | null
      : D extends StandardSchemaV1
        ? Awaited<StandardOutput<D>> | null
        : D extends BytesDecoder<infer T>
          ? Awaited<T> | null
          : D extends DecoderFunction<infer T>
            ? Awaited<T>
            : never

/** Which fields are decoded, and how. */
export interface Decoders {
  readonly key?: Decoder | undefined
  readonly value?: Decoder | undefined
}

type Field = keyof Decoders
type DecodedField<D extends Decoders, F extends Field> = F extends keyof D ? Decoded<D[F]> : Decoded<undefined>

/**
 * The message that decoders make. A class with decoders as an option needs `D & Decoders` as the option's type, and
 * `Record<never, never>` as D's default: only so are the parameters of a function in it inferred.
 */
export type DecodedBy<D extends Decoders> = DecodedMessage<DecodedField<D, 'key'>, DecodedField<D, 'value'>>

/** A message with its key and value decoded. */
export class DecodedMessage<K = Buffer | null, V = Buffer | null> implements Omit<Message, 'key' | 'value'> {
  /** The message as it came. */
  readonly raw: Message
  readonly key: K
  readonly value: V

  constructor(raw: Message, key: K, value: V) {
    this.raw = raw
    this.key = key
    this.value = value
  }

  get topic(): string {
    return this.raw.topic
  }

  get partition(): number {
    return this.raw.partition
  }

  get offset(): number {
    return this.raw.offset
  }

  get timestamp(): number {
    return this.raw.timestamp
  }

  get headers(): Message['headers'] {
    return this.raw.headers
  }
}

/** Why a value does not match its schema: the cause of a `DESERIALIZATION_FAILED`. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
  /** As the schema gave them. */
  readonly issues: readonly StandardIssue[]

  /** The text tells the first issue only: a hostile value can have as many as it has bytes. */
  constructor(issues: readonly StandardIssue[]) {
    const [first] = issues
    const path = (first?.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    const what = [path, first?.message].filter(Boolean).join(': ')
    super(issues.length > 1 ? `${what} (and ${issues.length - 1} more)` : what)
    this.issues = issues
  }
}

type AnyMessage = DecodedMessage<unknown, unknown>

/** The byte order mark is kept: it is the sender's, and text must not change. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes the key, then the value: at once, or in a promise where a decoder returned one.
 *
 * @throws LanewayError `DESERIALIZATION_FAILED`, with topic, partition, offset and field (`key` or `value`) in `details`;
 * where a promise was returned, it rejects with that
 */
export function decodeMessage<const D extends Decoders>(
  message: Message,
  decoders: D,
): DecodedBy<D> | Promise<DecodedBy<D>>
// Only the signature above knows what a decoder returns; below it is unknown.
export function decodeMessage(message: Message, decoders: Decoders): AnyMessage | Promise<AnyMessage> {
  let key: unknown
  try {
    key = decode(message.key, decoders.key, message)
    if (isThenable(key)) return decodeAfterKey(message, key, decoders)
  } catch (cause) {
    throw failureOf(message, 'key', cause)
  }
  return decodeValue(message, key, decoders)
}

/** The value waits for the key: of two promises at once, the second could reject with nobody left to handle it. */
async function decodeAfterKey(
  message: Message,
  pending: PromiseLike<unknown>,
  decoders: Decoders,
): Promise<AnyMessage> {
  let key: unknown
  try {
    key = await pending
  } catch (cause) {
    throw failureOf(message, 'key', cause)
  }
  return decodeValue(message, key, decoders)
}

function decodeValue(message: Message, key: unknown, decoders: Decoders): AnyMessage | Promise<AnyMessage> {
  try {
    const value = decode(message.value, decoders.value, message)
    return isThenable(value) ? awaitValue(message, key, value) : new DecodedMessage(message, key, value)
  } catch (cause) {
    throw failureOf(message, 'value', cause)
  }
}

async function awaitValue(message: Message, key: unknown, pending: PromiseLike<unknown>): Promise<AnyMessage> {
  try {
    return new DecodedMessage(message, key, await pending)
  } catch (cause) {
    throw failureOf(message, 'value', cause)
  }
}

function decode(bytes: Buffer | null, decoder: Decoder | undefined, message: Message): unknown {
  if (decoder === undefined) return bytes
  if (isPlainFunction(decoder)) return decoder(bytes, message)
  if (bytes === null) return null
  if (decoder === 'text') return utf8.decode(bytes)
  if (decoder === 'json') return JSON.parse(utf8.decode(bytes))
  if ('~standard' in decoder) return validated(JSON.parse(utf8.decode(bytes)), decoder)
  return decoder.decode(bytes)
}

/** Some schemas are functions too, and so are the classes that protobufjs generates. */
function isPlainFunction(decoder: Decoder): decoder is DecoderFunction {
  return typeof decoder === 'function' && !('~standard' in decoder || 'decode' in decoder)
}

function validated(value: unknown, schema: StandardSchemaV1): unknown {
  const result = schema['~standard'].validate(value)
  return isThenable(result) ? outputLater(result) : outputOf(result)
}

async function outputLater(result: PromiseLike<StandardResult<unknown>>): Promise<unknown> {
  return outputOf(await result)
}

function outputOf(result: StandardResult<unknown>): unknown {
  if (result.issues) throw new SchemaError(result.issues)
  return result.value
}

/** Says nothing of the payload, nor what the decoder said: that may quote it. */
function failureOf({ topic, partition, offset }: Message, field: Field, cause: unknown): LanewayError {
  const text = `the ${field} of ${topic} [${partition}] at offset ${offset} cannot be decoded`
  return new LanewayError('DESERIALIZATION_FAILED', text, { cause, details: { topic, partition, offset, field } })
}

function isSchema(value: object): boolean {
  if (!('~standard' in value)) return false
  const standard = value['~standard']
  if (typeof standard !== 'object' || standard === null) return false
  return 'version' in standard && standard.version === 1 && 'validate' in standard && isFunction(standard.validate)
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

/** A class cannot be called: taken for a function, it would fail every message. */
function isClass(value: object): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

function isDecoder(value: unknown): value is Decoder {
  if (value === 'json' || value === 'text') return true
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  try {
    if ('~standard' in value) return isSchema(value)
    if ('decode' in value) return isFunction(value.decode)
    return isFunction(value) && !isClass(value)
  } catch {
    // What cannot even be looked at decodes nothing.
    return false
  }
}

/** A decoder as an option: what cannot be one is refused at construction, not with the first message. */
export const decoderOption = z.custom<Decoder>(
  isDecoder,
  "must be 'json', 'text', a Standard Schema (version 1), an object with decode(), such as a protobufjs type, or a function",
)

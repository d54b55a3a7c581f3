/**
 * What a decoder makes of a key or a value, to the compiler: each line below holds, or this file does not compile. It is
 * compiled with the tests and never run.
 */
import type protobuf from 'protobufjs'
import { z } from 'zod'
import type {
  BytesDecoder,
  Decoded,
  DecodedBy,
  DecodedMessage,
  Decoder,
  DecoderFunction,
  Decoders,
} from '../../ts/decoding.js'
import { decodeMessage } from '../../ts/decoding.js'
import type { Message } from '../../ts/ports/engine.js'

/** The same type, not merely one that fits. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Holds<T extends true> = T

interface Order {
  readonly id: number
}

/** As protobufjs and ts-proto generate them. */
declare class GeneratedOrder implements Order {
  static decode(reader: protobuf.Reader | Uint8Array, length?: number): GeneratedOrder
  readonly id: number
}

declare class RegistryClient {
  decode(bytes: Buffer, options?: object): Promise<Order>
}

const order = z.object({ id: z.number() })
const renamed = z.object({ id: z.string() }).transform(({ id }) => ({ number: Number(id) }))
const functionSchema = Object.assign((value: unknown) => value, { '~standard': order['~standard'] })

export type EachDecoderHasItsType = [
  Holds<Same<Decoded<undefined>, Buffer | null>>,
  Holds<Same<Decoded<'json'>, unknown>>,
  Holds<Same<Decoded<'text'>, string | null>>,
  Holds<Same<Decoded<typeof order>, { id: number } | null>>,
  // The output of a schema, not what it reads.
  Holds<Same<Decoded<typeof renamed>, { number: number } | null>>,
  // Some libraries' schemas can be called too: they are schemas all the same.
  Holds<Same<Decoded<typeof functionSchema>, { id: number } | null>>,
  Holds<Same<Decoded<typeof GeneratedOrder>, GeneratedOrder | null>>,
  Holds<Same<Decoded<protobuf.Type>, ReturnType<protobuf.Type['decode']> | null>>,
  Holds<Same<Decoded<RegistryClient>, Order | null>>,
  // A function is asked about null, so that null is its own affair.
  Holds<Same<Decoded<(bytes: Buffer | null) => Order>, Order>>,
  Holds<Same<Decoded<() => Promise<Order | undefined>>, Order | undefined>>,
  // What is known of a decoder only at run time is known of its value only then.
  Holds<Same<Decoded<Decoder>, unknown>>,
]

export type ADecoderOfATypeIsOneThatCanMakeIt = [
  Holds<Same<Extract<Decoder<Order>, string>, never>>,
  Holds<Same<Extract<Decoder<string>, string>, 'text'>>,
  Holds<Same<Extract<Decoder, string>, 'json' | 'text'>>,
  Holds<typeof order extends Decoder<Order> ? true : false>,
  Holds<typeof GeneratedOrder extends Decoder<Order> ? true : false>,
  Holds<RegistryClient extends BytesDecoder<Order> ? true : false>,
  Holds<typeof renamed extends Decoder<Order> ? false : true>,
  Holds<DecoderFunction<string> extends Decoder<Order> ? false : true>,
]

type Either<T> = T | Promise<T>

export function theTypesOfBothFieldsAreInferred(message: Message, some: Decoders): unknown {
  const none = decodeMessage(message, {})
  const both = decodeMessage(message, { key: 'text', value: order })
  const inline = decodeMessage(message, { value: (bytes, { headers }) => (bytes?.length ?? 0) + headers.length })
  const later = decodeMessage(message, { key: undefined, value: async (bytes) => bytes?.length })
  const loose = decodeMessage(message, some)
  const held: [
    Holds<Same<typeof none, Either<DecodedMessage>>>,
    Holds<Same<typeof both, Either<DecodedMessage<string | null, { id: number } | null>>>>,
    Holds<Same<typeof inline, Either<DecodedMessage<Buffer | null, number>>>>,
    Holds<Same<typeof later, Either<DecodedMessage<Buffer | null, number | undefined>>>>,
    Holds<Same<typeof loose, Either<DecodedMessage<unknown, unknown>>>>,
  ] = [true, true, true, true, true]
  return held
}

/** As a class would take them among its options. */
declare class Taker<const D extends Decoders = Record<never, never>> {
  constructor(options: { readonly deserialize?: D & Decoders & { readonly onError?: 'drop' } })
  readonly message: DecodedBy<D>
}

export function theTypesAreInferredThroughAnOption(): unknown {
  const none = new Taker({})
  const named = new Taker({ deserialize: { value: order, onError: 'drop' } })
  const inline = new Taker({ deserialize: { key: 'text', value: (bytes, { offset }) => `${bytes} ${offset}` } })
  const held: [
    Holds<Same<typeof none.message, DecodedMessage>>,
    Holds<Same<typeof named.message, DecodedMessage<Buffer | null, { id: number } | null>>>,
    Holds<Same<typeof inline.message, DecodedMessage<string | null, string>>>,
  ] = [true, true, true]
  return held
}

export function whatIsNoDecoderIsRefused(message: Message): void {
  // @ts-expect-error: no such format
  decodeMessage(message, { value: 'yaml' })
  // @ts-expect-error: an object that decodes nothing
  decodeMessage(message, { value: { parse: JSON.parse } })
  // @ts-expect-error: no such field
  decodeMessage(message, { headers: 'text' })
}

/** A message without decoders is what handlers always got. */
export function anUndecodedMessageIsAMessage(message: DecodedMessage): Message {
  return message
}

/** How whoever dials reaches the other side, and proves itself there. */
import { ChannelCredentials, type ChannelOptions, Client, Metadata } from '@grpc/grpc-js'
import type { Address } from './address.js'
import type { ClientTls } from './tls.js'

const bytesOf = (pem: string | Buffer | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem))

function credentialsOf(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure()
  return ChannelCredentials.createSsl(bytesOf(tls.ca), bytesOf(tls.key), bytesOf(tls.cert))
}

/** A client that dials with its first call. It sends messages of any size: the other side says what it takes. */
export function clientOf(address: Address, tls: ClientTls | undefined, options: ChannelOptions): Client {
  return new Client(address.text, credentialsOf(tls), {
    'grpc.max_send_message_length': -1,
    ...(tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
    ...options,
  })
}

/** The metadata of a call that shows the bearer token, where there is one. */
export function metadataWith(token: string | undefined): Metadata {
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

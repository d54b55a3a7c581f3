/** Where a host is, and how a worker proves itself there. */
import { ChannelCredentials, type ChannelOptions, Metadata } from '@grpc/grpc-js'

/** How a worker knows its host, and the host the worker. Every text or Buffer is PEM. */
export interface WorkerTls {
  /** Certificates of whoever may have signed the host's. Default: those of Node. */
  readonly ca?: string | Buffer | undefined
  /** The worker's own, where the host asks for one. */
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
  /** The name in the host's certificate, where it is not the one of its address. */
  readonly serverName?: string | undefined
}

const bytesOf = (pem: string | Buffer | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem))

export function channelCredentials(tls: WorkerTls | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure()
  return ChannelCredentials.createSsl(bytesOf(tls.ca), bytesOf(tls.key), bytesOf(tls.cert))
}

export function channelOptions(tls: WorkerTls | undefined): ChannelOptions {
  return {
    // The host bounds its frames, and its messages by what the worker says in its hello.
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    // The worker has a backoff of its own: a channel that remembered failures would add to it.
    'grpc.use_local_subchannel_pool': 1,
    ...(tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
  }
}

export function callMetadata(token: string | undefined): Metadata {
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

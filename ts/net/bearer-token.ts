/** The bearer token that a call shows. */
import type { Metadata } from '@grpc/grpc-js'

/** undefined where there is none. */
export function bearerToken(metadata: Metadata): string | undefined {
  const [authorization] = metadata.get('authorization')
  if (typeof authorization !== 'string') return undefined
  return /^Bearer (\S+)$/i.exec(authorization)?.[1]
}

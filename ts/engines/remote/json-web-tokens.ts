/** Admits workers by JSON Web Tokens (RFC 7519): signature, audience, issuer and expiry, checked by `jose`. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { bearerToken } from '../../net/bearer-token.js'
import type { Admit } from './admission.js'

export interface JwtOptions {
  readonly key?: string | Uint8Array | KeyObject | undefined
  readonly jwks?: JSONWebKeySet | undefined
  readonly jwksUrl?: string | undefined
  readonly audience: string
  readonly issuer?: string | undefined
}

type Verify = (token: string) => Promise<JWTPayload>

/** A public key in PEM is never taken for a secret, which would let anyone sign who has read it. */
function verifierOf({ key, jwks, jwksUrl, audience, issuer }: JwtOptions): Verify {
  const options = { audience, requiredClaims: ['exp'], ...(issuer === undefined ? {} : { issuer }) }
  if (key !== undefined) {
    const verifying = typeof key === 'string' ? createPublicKey(key) : key
    return async (token) => (await jwtVerify(token, verifying, options)).payload
  }
  const keys: JWTVerifyGetKey =
    jwks === undefined ? createRemoteJWKSet(new URL(jwksUrl ?? '')) : createLocalJWKSet(jwks)
  return async (token) => (await jwtVerify(token, keys, options)).payload
}

/** Refuses whoever has no token that holds now. */
export function admitByJwt(options: JwtOptions): Admit {
  const verify = verifierOf(options)
  return async (metadata) => {
    const token = bearerToken(metadata)
    if (token === undefined) throw new Error('there is no bearer token')
    try {
      const { sub, exp } = await verify(token)
      return { name: sub ?? 'worker', expiresAtMs: exp === undefined ? undefined : 1000 * exp }
    } catch (error) {
      const code = error instanceof errors.JOSEError ? error.code : 'it cannot be read'
      throw new Error(`the token is refused: ${code}`)
    }
  }
}

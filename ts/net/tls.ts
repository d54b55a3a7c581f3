/** TLS as users say it, of whoever listens and of whoever dials. What cannot be used is refused before anything is opened. */
import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'

/** Every text or Buffer is PEM. */
export interface ServerTls {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  /** Who signs the certificates that whoever dials must show; none: they need not show any. */
  readonly clientCa?: string | Buffer | undefined
}

/** Every text or Buffer is PEM. */
export interface ClientTls {
  /** Certificates of whoever may have signed the server's. Default: those of Node. */
  readonly ca?: string | Buffer | undefined
  /** Its own, where the server asks for one. */
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
  /** The name in the server's certificate, where it is not the one of its address. */
  readonly serverName?: string | undefined
}

const pem = z.union([z.string().min(1), z.instanceof(Buffer)], 'must be PEM: a string or a Buffer')

interface Material {
  readonly ca: z.output<typeof pem> | undefined
  readonly cert: z.output<typeof pem> | undefined
  readonly key: z.output<typeof pem> | undefined
}

function requireUsable({ ca, cert, key }: Material, context: z.RefinementCtx): void {
  try {
    createSecureContext({ cert, key })
    // A secure context takes any text for authorities, and then knows none.
    if (ca !== undefined) new X509Certificate(ca)
  } catch (error) {
    context.addIssue({ code: 'custom', message: `cannot be used: ${(error as Error).message}` })
  }
}

export const serverTls = z
  .strictObject({ cert: pem, key: pem, clientCa: pem.optional() })
  .superRefine(({ cert, key, clientCa }, context) => requireUsable({ cert, key, ca: clientCa }, context))

export const clientTls = z
  .strictObject({
    ca: pem.optional(),
    cert: pem.optional(),
    key: pem.optional(),
    serverName: z.string().min(1).optional(),
  })
  .superRefine(({ ca, cert, key }, context) => {
    if ((cert === undefined) === (key === undefined)) requireUsable({ ca, cert, key }, context)
    else context.addIssue({ code: 'custom', message: 'cert and key go together' })
  })

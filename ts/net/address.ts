/** Where a host or a function is listened on and dialled: `unix:/path`, `host:port` or `[host]:port`. */
import { z } from 'zod'

export type Address =
  | { readonly kind: 'unix'; readonly text: string; readonly path: string }
  | { readonly kind: 'tcp'; readonly text: string; readonly host: string; readonly port: number }

const MAX_PORT = 65_535

function parseAddress(text: string): Address | undefined {
  const [, path] = /^unix:(?:\/\/)?(\/.+)$/.exec(text) ?? []
  if (path !== undefined) return { kind: 'unix', text: `unix:${path}`, path }
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > MAX_PORT) return undefined
  return { kind: 'tcp', text, host, port }
}

/** @param absent what is said where there is none */
export function addressOption(absent = 'is required') {
  return z.string(absent).transform((text, context): Address => {
    const address = parseAddress(text)
    if (address !== undefined) return address
    context.addIssue({ code: 'custom', message: 'must be unix:/path, host:port or [host]:port' })
    return z.NEVER
  })
}

/** True where what is said to it stays on this machine. */
export function isLocal(address: Address): boolean {
  return address.kind === 'unix' || /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(address.host)
}

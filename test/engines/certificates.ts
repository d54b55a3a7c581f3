/** Certificates that a test makes, with the openssl of the system: an authority, and what it signs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Signed {
  readonly cert: string
  readonly key: string
}

export class Authority implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'laneway-test-ca-'))

  constructor() {
    const shape = ['-x509', '-days', '1', '-subj', '/CN=authority of a test']
    this.#openssl('req', ...shape, ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem')
  }

  get cert(): string {
    return this.#read('ca.pem')
  }

  /** For 127.0.0.1. */
  sign(name: string): Signed {
    writeFileSync(join(this.#folder, 'extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    this.#openssl('req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', 'signed.key', '-out', 'signed.csr')
    const authority = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', 'extensions']
    this.#openssl('x509', '-req', '-in', 'signed.csr', ...authority, '-out', 'signed.pem')
    return { cert: this.#read('signed.pem'), key: this.#read('signed.key') }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8')
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

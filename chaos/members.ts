/**
 * The member processes of one phase, by slot: starts them, signals them, notes when they end. A slot is filled by one
 * process after the other; each has a name of its own.
 *
 * No process outlives the driver: an exit hook kills them, and where the driver is killed outright, a guard does it for
 * each (a stopped process would not see its standard input end).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type LedgerWriter, ledgerPath } from './ledger.js'
import type { MemberOrder } from './settings.js'

const PROGRAM = fileURLToPath(new URL('member.js', import.meta.url))
/**
 * Handlers and the last commit have deadlines of their own, well below this; leaving the group waits for what is on its
 * way to a broker, which may be away.
 */
const CLOSE_DEADLINE_MS = 60_000

export type MembersPlan = Omit<MemberOrder, 'member' | 'ledger'>

interface Member {
  readonly name: string
  readonly child: ChildProcess
  /** It has opened its ledger and listens to signals; or it has ended before. */
  readonly ready: Promise<void>
  readonly exited: Promise<void>
}

/** As Linux tells it; none where the process has just gone. */
function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').map(Number).filter(Boolean)
  } catch {
    return []
  }
}

/** Kills the member when this process is gone, however it went. */
function startGuard(pid: number): ChildProcess {
  const guard = spawn('sh', ['-c', 'cat >/dev/null; kill -KILL "$0" 2>/dev/null', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guard.unref()
  return guard
}

export class Members {
  readonly #plan: MembersPlan
  readonly #folder: string
  readonly #ledger: LedgerWriter
  readonly #bySlot = new Map<number, Member>()
  readonly #incarnations = new Map<number, number>()
  readonly #onExit = (): void => {
    for (const { child } of this.#bySlot.values()) child.kill('SIGKILL')
  }

  constructor(plan: MembersPlan, folder: string, ledger: LedgerWriter) {
    this.#plan = plan
    this.#folder = folder
    this.#ledger = ledger
    process.once('exit', this.#onExit)
  }

  get running(): number {
    return this.#bySlot.size
  }

  isRunning(slot: number): boolean {
    return this.#bySlot.has(slot)
  }

  /** @throws Error where nobody is in the slot: the member has ended by itself */
  nameOf(slot: number): string {
    return this.#member(slot).name
  }

  start(slot: number): void {
    const incarnation = (this.#incarnations.get(slot) ?? 0) + 1
    this.#incarnations.set(slot, incarnation)
    const name = `${this.#plan.protocol}-${slot}.${incarnation}`
    const ledger = ledgerPath(this.#folder, name)
    // Killed before it wrote a line, it has a ledger all the same.
    writeFileSync(ledger, '')
    const order: MemberOrder = { ...this.#plan, member: name, ledger }
    const log = openSync(join(this.#folder, `${name}.log`), 'a')
    const child = spawn(process.execPath, ['--enable-source-maps', PROGRAM, JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', log],
    })
    closeSync(log)
    const guard = child.pid === undefined ? undefined : startGuard(child.pid)
    const exited = new Promise<void>((resolve) => {
      const ended = (code: number | null, signal: string | null): void => {
        guard?.kill('SIGKILL')
        this.#ledger.write({ event: 'exited', member: name, code, signal })
        if (this.#bySlot.get(slot)?.child === child) this.#bySlot.delete(slot)
        resolve()
      }
      child.once('exit', ended)
      child.once('error', () => ended(null, null))
    })
    // What is left in the pipe of a killed process is of no use.
    child.stdin?.on('error', () => undefined)
    const spoken = new Promise<void>((resolve) => {
      child.stdout?.once('data', () => resolve())
    })
    this.#bySlot.set(slot, { name, child, ready: Promise.race([spoken, exited]), exited })
  }

  /** Until it has opened its ledger and listens to signals, or has ended. */
  async ready(slot: number): Promise<void> {
    await this.#member(slot).ready
  }

  signal(slot: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#member(slot).child.kill(signal)
  }

  /** kill -9; resolves when the process is gone. */
  async kill(slot: number): Promise<void> {
    const { child, exited } = this.#member(slot)
    child.kill('SIGKILL')
    await exited
  }

  /** kill -9 for a child of the member, where it has one now. */
  killWorker(slot: number): { readonly worker?: number } {
    const [worker] = childrenOf(this.#member(slot).child.pid)
    if (worker === undefined) return {}
    process.kill(worker, 'SIGKILL')
    return { worker }
  }

  /** SIGTERM drains, SIGINT aborts. A member that does not end is killed, which the checker sees. */
  async close(slot: number, signal: 'SIGTERM' | 'SIGINT'): Promise<void> {
    const { child, ready, exited } = this.#member(slot)
    await ready
    child.kill(signal)
    const deadline = setTimeout(() => child.kill('SIGKILL'), CLOSE_DEADLINE_MS)
    await exited
    clearTimeout(deadline)
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#bySlot.keys()].map((slot) => this.close(slot, 'SIGTERM')))
    process.off('exit', this.#onExit)
  }

  #member(slot: number): Member {
    const member = this.#bySlot.get(slot)
    if (member === undefined) throw new Error(`no process is in slot ${slot}: the last one ended by itself`)
    return member
  }
}

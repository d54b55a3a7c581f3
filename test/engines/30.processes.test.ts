/** Children are started, watched, started again and ended; what one held when it died comes back at once, in order. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Engine, type LanewayError, type ProcessesOptions, processes } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runOf, ScriptedHost } from '../unit/scripted-taker.js'

const COMPLETED = 0
const RETRIED = 1
const DEADLINE_MS = 30_000
const childWorker = fileURLToPath(new URL('./child-worker.js', import.meta.url))

interface Noted {
  readonly event: string
  readonly pid: number
  readonly offset?: number
}

/** An engine of processes with a scripted host, and the ledger that its children write. */
class Started implements AsyncDisposable {
  readonly host = new ScriptedHost(() => undefined, 100)
  readonly logged: string[] = []
  readonly engine: Engine
  readonly #folder = mkdtempSync(join(tmpdir(), 'laneway-test-'))
  readonly #ledger = join(this.#folder, 'ledger')
  readonly env = { LANEWAY_LEDGER: this.#ledger, TMPDIR: this.#folder }

  constructor(behaviour: string, options: Partial<ProcessesOptions> = {}) {
    const log = (message: string) => this.logged.push(message)
    this.host.logger = { debug: log, info: log, warn: log, error: log }
    this.engine = processes({
      command: process.execPath,
      args: [childWorker, behaviour],
      count: 1,
      env: this.env,
      restart: { initial: 1, max: 10 },
      ...options,
    })
  }

  noted(event: string): Noted[] {
    if (!existsSync(this.#ledger)) return []
    const lines = readFileSync(this.#ledger, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Noted).filter((each) => each.event === event)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.stop('abort', 0)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error('it did not come true')
    await delay(5)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('children get messages, and end when the consumer closes; nothing is left', async () => {
  await using started = new Started('obey', { count: 2 })
  const { engine, host } = started
  await engine.start(host)
  await until(() => started.noted('born').length === 2)
  host.offer(runOf(0, 1, 2, 3), runOf(1, 10))
  await host.settledCount(4)
  await until(() => started.logged.includes('hello on stdout') && started.logged.includes('hello on stderr'))
  await until(() => started.noted('born').length === 2)
  await engine.stop('drain', DEADLINE_MS)
  await engine.stop('abort', 0)
  assert.is(started.noted('start').length, 4)
  const born = started.noted('born')
  assert.is(born.length, 2)
  assert.not(born.some(({ pid }) => isAlive(pid)))
  assert.equal(host.failures, [])
})

test('a child that is killed while it holds a run: one failed attempt, the rest goes back, and another child gets them', async () => {
  await using started = new Started('die-first', { leaseTimeout: 3_600_000 })
  const { engine, host } = started
  await engine.start(host)
  host.offer(runOf(0, 1, 2))
  await host.settledCount(1)
  assert.equal(
    host.settled.map(({ slot, outcome }) => [slot, outcome]),
    [[1, RETRIED]],
  )
  assert.is((host.decisions[0]?.error as LanewayError | undefined)?.code, 'WORKER_LOST')
  host.offer({ partition: 0, messages: [{ offset: 1, attempt: 2 }] }, runOf(0, 2))
  await host.settledCount(3)
  assert.equal(
    host.settled.slice(1).map(({ slot, outcome }) => [slot, outcome]),
    [
      [1, COMPLETED],
      [2, COMPLETED],
    ],
  )
  assert.is(started.noted('born').length, 2)
})

test('a child that is silent is killed, and its leases come back once it is dead', async () => {
  await using started = new Started('freeze', {
    leaseTimeout: 3_600_000,
    heartbeat: { interval: 50, timeout: 1_000 },
    onLost: 'release',
  })
  const { engine, host } = started
  await engine.start(host)
  host.offer(runOf(0, 1))
  await host.settledCount(1)
  assert.equal(host.decisions, [])
  const [first] = started.noted('born')
  await until(() => !isAlive(first?.pid ?? 0))
})

test('a command that does not exist ends the consumer after some attempts', async () => {
  await using started = new Started('', {
    command: 'no-such-command-of-laneway',
    restart: { initial: 1, max: 2, giveUpAfter: 3 },
  })
  await started.engine.start(started.host)
  await until(() => started.host.failures.length > 0)
  const failure = started.host.failures[0] as LanewayError
  assert.is(failure.code, 'WORKERS_FAILED')
  assert.match(failure.message, /3 processes in a row/)
  assert.match(failure.message, /ENOENT/)
  assert.ok(started.logged.some((line) => line.includes('no-such-command-of-laneway')))
})

test('a command that exits at once ends the consumer after some attempts', async () => {
  await using started = new Started('exit', { restart: { initial: 1, max: 2, giveUpAfter: 2 } })
  await started.engine.start(started.host)
  await until(() => started.host.failures.length > 0)
  assert.match((started.host.failures[0] as LanewayError).message, /exited with code 3/)
  assert.is(started.noted('born').length, 2)
})

test('a child that does not end by itself is killed after a while', async () => {
  await using started = new Started('stay', { killAfter: 200 })
  const { engine, host } = started
  await engine.start(host)
  host.offer(runOf(0, 1))
  await host.settledCount(1)
  await engine.stop('drain', DEADLINE_MS)
  await engine.stop('abort', 0)
  assert.is(started.noted('ignored').length, 1)
  assert.not(isAlive(started.noted('born')[0]?.pid ?? 0))
})

test('a handler that does not end when it is cancelled: its process is killed, and its attempt has timed out', async () => {
  await using started = new Started('hang', { leaseTimeout: 50, killAfter: 100, onLost: 'release' })
  const { engine, host } = started
  await engine.start(host)
  host.offer(runOf(0, 1), runOf(1, 2))
  await host.settledCount(2)
  assert.equal(
    host.decisions.map(({ error }) => (error as LanewayError).code),
    ['HANDLER_TIMEOUT', 'HANDLER_TIMEOUT'],
  )
  // The end of its stream, which a dying process closes first, is what the host waits for.
  await until(() => !isAlive(started.noted('born')[0]?.pid ?? 0))
})

test('abort: a child that still runs a handler is killed at once', async () => {
  await using started = new Started('hang', { killAfter: 3_600_000 })
  const { engine, host } = started
  await engine.start(host)
  host.offer(runOf(0, 1))
  await until(() => started.noted('start').length === 1)
  await engine.stop('abort', 0)
  assert.not(isAlive(started.noted('born')[0]?.pid ?? 0))
  assert.ok(host.isDetached)
})

test('where the host is killed, its children end', async () => {
  await using started = new Started('obey')
  const hostScript = fileURLToPath(new URL('./processes-host.js', import.meta.url))
  const host = spawn(process.execPath, [hostScript, childWorker], { env: { ...process.env, ...started.env } })
  await until(() => started.noted('end').length > 0)
  host.kill('SIGKILL')
  const [child] = started.noted('born')
  await until(() => !isAlive(child?.pid ?? 0))
})

test.run()

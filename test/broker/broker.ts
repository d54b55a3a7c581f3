/**
 * A real Apache Kafka for the tests and the benchmarks: one KRaft node (broker and controller in one process) on
 * loopback ports, in a temporary folder, started with java directly. No container, no service, about 3 s.
 *
 * Nothing outlives its test. `stop()` ends exactly the process that was started (SIGTERM, SIGKILL after a deadline);
 * an exit hook does it when the test process ends without `stop()`; and a guard, a shell that holds a pipe from the
 * test process, does it when that process is killed outright. Every wait has a deadline, and every failure carries the
 * end of the broker's log.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { javaProgram, kafkaClasspath } from './kafka-jars.js'
import { runToEnd } from './run-to-end.js'
import { configureTopic, createTopic, deleteRecords, isAnswering, type TopicOptions } from './topic-admin.js'

export { type BrokerAvailability, brokerAvailability, kafkaVersion } from './kafka-jars.js'
export type { TopicOptions } from './topic-admin.js'

const HOST = '127.0.0.1'
const START_DEADLINE_MS = 60_000
const STOP_DEADLINE_MS = 15_000
const KILL_DEADLINE_MS = 5_000
const TOPIC_DEADLINE_MS = 20_000
const ANSWER_DEADLINE_MS = 2_000
const POLL_MS = 25
/** Another process may take a free port between our looking and the broker's binding; then we look again. */
const PORT_ATTEMPTS = 3

/** Properties of a broker that keeps access rules; what has none is open to everybody. */
export const WITH_AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
} as const

export interface BrokerOptions {
  /** Broker properties on top of (and over) the fixture's, e.g. `{'offset.metadata.max.bytes': 512}`. */
  readonly properties?: Readonly<Record<string, string | number>>
  /** Java heap (`-Xmx`), default `768m`. */
  readonly heap?: string
  /** Port of the broker's listener; default: a free one. */
  readonly port?: number
  /**
   * The loopback port of a proxy that forwards to {@link Broker.proxiedPort}: the broker gets a second listener, whose
   * clients are told to come through the proxy.
   */
  readonly proxyPort?: number
}

export interface Broker extends AsyncDisposable {
  readonly bootstrapServers: string
  /** Where the proxy of the option `proxyPort` forwards to; undefined without one. */
  readonly proxiedPort: number | undefined
  /** The broker's process; another one after `restart()`. */
  readonly pid: number
  /** The temporary folder with the broker's configuration, log and data; gone after `stop()`. */
  readonly folder: string
  /** Creates a topic and waits until every partition has a leader. */
  createTopic(name: string, options?: TopicOptions): Promise<void>
  /** Sets properties of a topic, also while it is in use. */
  configureTopic(name: string, config: NonNullable<TopicOptions['config']>): Promise<void>
  /** Deletes the records of a partition below an offset: its log then starts there. */
  deleteRecords(topic: string, partition: number, before: number): Promise<void>
  /** Denies everything on one resource to everybody; the broker needs {@link WITH_AUTHORIZER}. */
  deny(kind: 'topic' | 'group' | 'transactional-id', name: string): Promise<void>
  /** Ends the broker process and leaves its data; `SIGKILL` is a crash. */
  halt(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** `halt()` where it still runs, then starts it again on the same port with the same data. */
  restart(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** The last lines of the broker's log. */
  logTail(lines?: number): string
  /** Ends the process and removes the folder. A second call does nothing. */
  stop(): Promise<void>
}

/** One node must not wait for replicas, and a test must not wait for timeouts meant for data centres. */
function brokerProperties(port: number, controllerPort: number, data: string): Record<string, string | number> {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    listeners: `PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${HOST}:${port}`,
    'log.dirs': data,
    'auto.create.topics.enable': 'false',
    'num.partitions': 1,
    'default.replication.factor': 1,
    'min.insync.replicas': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 3,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.coordinator.rebalance.protocols': 'classic,consumer',
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 500,
    'group.consumer.min.session.timeout.ms': 500,
    'group.consumer.session.timeout.ms': 6000,
    'group.consumer.min.heartbeat.interval.ms': 100,
    'group.consumer.heartbeat.interval.ms': 500,
    'log.retention.ms': -1,
    'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'num.recovery.threads.per.data.dir': 1,
    // A broker that comes back after a crash waits for its former session to expire.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
  }
}

/** A second listener, whose clients are told the proxy's port instead of its own. */
function proxiedListener(
  properties: Readonly<Record<string, string | number>>,
  proxiedPort: number,
  proxyPort: number,
): Record<string, string> {
  const also = (name: string, listener: string) => `${properties[name]},${listener}`
  return {
    'listener.security.protocol.map': also('listener.security.protocol.map', 'PROXIED:PLAINTEXT'),
    listeners: also('listeners', `PROXIED://${HOST}:${proxiedPort}`),
    'advertised.listeners': also('advertised.listeners', `PROXIED://${HOST}:${proxyPort}`),
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, HOST, () => {
      const address = server.address()
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port)
        else reject(new Error('a TCP server on loopback has no port'))
      })
    })
  })
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function untilEnded(child: ChildProcess, deadlineMs: number): Promise<boolean> {
  const giveUpAt = Date.now() + deadlineMs
  while (!hasEnded(child) && Date.now() < giveUpAt) await delay(POLL_MS)
  return hasEnded(child)
}

/**
 * Waits for the end of its standard input, which is the end of this process, then kills the broker and removes its
 * folder. It cannot kill a stranger that got the same pid: it is ended before the broker is.
 */
function startGuard(pid: number, folder: string): ChildProcess {
  const script = 'cat >/dev/null; kill -KILL "$0" 2>/dev/null; sleep 0.2; rm -rf "$1"'
  const guard = spawn('sh', ['-c', script, String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guard.unref()
  if (guard.stdin !== null && 'unref' in guard.stdin && typeof guard.stdin.unref === 'function') guard.stdin.unref()
  return guard
}

class KafkaBroker implements Broker {
  readonly bootstrapServers: string
  readonly #onExit = (): void => this.#abandon()
  #java: ChildProcess | undefined
  #guard: ChildProcess | undefined
  #stopped: Promise<void> | undefined

  constructor(
    readonly folder: string,
    readonly port: number,
    readonly proxiedPort: number | undefined,
    readonly heap: string,
    readonly classpath: string,
  ) {
    this.bootstrapServers = `${HOST}:${port}`
    process.once('exit', this.#onExit)
  }

  get pid(): number {
    const pid = this.#java?.pid
    if (pid === undefined) throw new Error('the broker is not running')
    return pid
  }

  logTail(lines = 40): string {
    const read = (): string => {
      try {
        return readFileSync(join(this.folder, 'broker.log'), 'utf8')
      } catch {
        return '(no log: the broker did not start or its folder is gone)'
      }
    }
    return read().trimEnd().split('\n').slice(-lines).join('\n')
  }

  createTopic(name: string, options: TopicOptions = {}): Promise<void> {
    return createTopic({ host: HOST, port: this.port }, name, options, TOPIC_DEADLINE_MS)
  }

  configureTopic(name: string, config: NonNullable<TopicOptions['config']>): Promise<void> {
    return configureTopic({ host: HOST, port: this.port }, name, config, TOPIC_DEADLINE_MS)
  }

  deleteRecords(topic: string, partition: number, before: number): Promise<void> {
    return deleteRecords({ host: HOST, port: this.port }, { topic, partition, before }, TOPIC_DEADLINE_MS)
  }

  async deny(kind: 'topic' | 'group' | 'transactional-id', name: string): Promise<void> {
    const rule = ['--add', '--deny-principal', 'User:*', '--operation', 'All', '--force', `--${kind}`, name]
    const tool = ['org.apache.kafka.tools.AclCommand', '--bootstrap-server', this.bootstrapServers, ...rule]
    const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
    const acl = await runToEnd(javaProgram(), [quiet, '-cp', this.classpath, ...tool], {
      deadlineMs: START_DEADLINE_MS,
    })
    if (acl.status !== 0) throw new Error(`${kind} ${name} could not be denied:\n${acl.output.slice(-4000)}`)
  }

  async format(): Promise<void> {
    // A random id may begin with a dash, which the tool would take for an option.
    const id = `L${randomBytes(16).toString('base64url').slice(1)}`
    const config = join(this.folder, 'server.properties')
    const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
    const args = [quiet, '-cp', this.classpath, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', config]
    const format = await runToEnd(javaProgram(), args, { deadlineMs: START_DEADLINE_MS })
    if (format.status !== 0) throw new Error(`Kafka's storage could not be formatted:\n${format.output.slice(-4000)}`)
  }

  async start(): Promise<void> {
    const log = openSync(join(this.folder, 'broker.log'), 'a')
    const flags = [`-Xmx${this.heap}`, '-XX:+UseSerialGC', '-Xshare:auto', '-Djava.awt.headless=true']
    const logging = ['-Dorg.slf4j.simpleLogger.showDateTime=true', '-Dorg.slf4j.simpleLogger.defaultLogLevel=info']
    const program = ['-cp', this.classpath, 'kafka.Kafka', join(this.folder, 'server.properties')]
    const java = spawn(javaProgram(), [...flags, ...logging, ...program], {
      cwd: this.folder,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#java = java
    java.on('error', () => undefined) // A failed start shows as an ended process below, with the log's tail.
    java.unref()
    if (java.pid !== undefined) this.#guard = startGuard(java.pid, this.folder)

    const giveUpAt = Date.now() + START_DEADLINE_MS
    while (!(await isAnswering({ host: HOST, port: this.port }, ANSWER_DEADLINE_MS))) {
      if (java.pid === undefined || hasEnded(java)) throw new Error(`Kafka ended as it started:\n${this.logTail()}`)
      if (Date.now() > giveUpAt) throw new Error(`Kafka does not answer on ${HOST}:${this.port}:\n${this.logTail()}`)
      await delay(POLL_MS)
    }
  }

  async halt(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#guard?.kill('SIGKILL')
    this.#guard = undefined
    const java = this.#java
    if (java === undefined) return
    java.kill(signal)
    if (!(await untilEnded(java, STOP_DEADLINE_MS))) {
      java.kill('SIGKILL')
      if (!(await untilEnded(java, KILL_DEADLINE_MS))) throw new Error(`process ${java.pid} survived SIGKILL`)
    }
    this.#java = undefined
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.halt(signal)
    await this.start()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    await this.halt()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
    process.off('exit', this.#onExit)
  }

  /** The process is ending and can wait for nothing: kill, remove. */
  #abandon(): void {
    this.#guard?.kill('SIGKILL')
    this.#java?.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
}

async function startOnce(options: BrokerOptions, classpath: string): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), 'laneway-kafka-'))
  const port = options.port ?? (await freePort())
  const { proxyPort } = options
  const proxiedPort = proxyPort === undefined ? undefined : await freePort()
  const own = brokerProperties(port, await freePort(), join(folder, 'data'))
  const proxied =
    proxiedPort === undefined || proxyPort === undefined ? {} : proxiedListener(own, proxiedPort, proxyPort)
  const properties = { ...own, ...proxied, ...options.properties }
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`)
  await writeFile(join(folder, 'server.properties'), `${lines.join('\n')}\n`)
  const broker = new KafkaBroker(folder, port, proxiedPort, options.heap ?? '768m', classpath)
  try {
    await broker.format()
    await broker.start()
    return broker
  } catch (error) {
    await broker.stop()
    throw error
  }
}

/**
 * Starts a broker; fetches Kafka's jars first where they are not cached (ask `brokerAvailability()` before).
 *
 * @throws Error with the end of the broker's log where it does not start within a minute.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const classpath = await kafkaClasspath()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(options, classpath)
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes('Address already in use')
      if (!portTaken || attempt === PORT_ATTEMPTS) throw error
    }
  }
}

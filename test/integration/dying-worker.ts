/**
 * A consumer in a process of its own, to be killed: `node dying-worker.js BOOTSTRAP TOPIC message|batch`. It writes each
 * message that it starts and ends to stdout, as `start OFFSET` and `end OFFSET`, before it goes on; the messages of key
 * `held` never end, and it says `held` when it has one.
 */
import { writeSync } from 'node:fs'
import { type Message, ParallelConsumer } from 'laneway'

const [bootstrapServers = '', topic = '', kind] = process.argv.slice(2)

const say = (line: string): void => void writeSync(1, `${line}\n`)
const isHeld = ({ key }: Message): boolean => key?.toString() === 'held'
const forEver = (): Promise<never> => {
  say('held')
  return new Promise(() => undefined)
}

const consumer = new ParallelConsumer({
  kafka: {
    'bootstrap.servers': bootstrapServers,
    'group.id': topic,
    'session.timeout.ms': 3_000,
    'heartbeat.interval.ms': 300,
  },
  topics: [topic],
  commitInterval: 50,
})

if (kind === 'batch') {
  await consumer.runBatches((messages) => {
    for (const { offset } of messages) say(`start ${offset}`)
    if (messages.some(isHeld)) return forEver()
    for (const { offset } of messages) say(`end ${offset}`)
    return undefined
  })
} else {
  await consumer.run((message) => {
    say(`start ${message.offset}`)
    if (isHeld(message)) return forEver()
    say(`end ${message.offset}`)
    return undefined
  })
}

/**
 * `npm run broker`: a real Kafka by hand, for trying things out. Prints the bootstrap address on stdout, runs until
 * Ctrl-C, leaves nothing behind.
 *
 *   npm run broker -- [--port N] [--topic NAME[:PARTITIONS]]... [-X property=value]...
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { brokerAvailability, startBroker } from './broker.js'

const USAGE = `usage: npm run broker -- [options]

Starts one Apache Kafka broker on loopback and stops it on Ctrl-C. Its data is removed at the end.

  --port N                  listen on this port (default: a free one)
  --topic NAME[:PARTITIONS] create this topic (may be given more than once)
  -X, --property NAME=VALUE a broker property (may be given more than once)
  --help                    show this
`

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${name} takes a whole number, not "${text}"`)
  return Number(text)
}

function splitAt(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      topic: { type: 'string', multiple: true, default: [] },
      property: { type: 'string', short: 'X', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const availability = await brokerAvailability()
  if (!availability.available) throw new Error(availability.reason)
  const properties = Object.fromEntries(values.property.map((pair) => splitAt(pair, '=')))
  await using broker = await startBroker({
    properties,
    ...(values.port === undefined ? {} : { port: wholeNumber('--port', values.port) }),
  })
  for (const topic of values.topic) {
    const [name, partitions] = splitAt(topic, ':')
    await broker.createTopic(name, { partitions: partitions === '' ? 1 : wholeNumber('--topic', partitions) })
  }
  process.stderr.write(`Kafka (pid ${broker.pid}) in ${broker.folder}; Ctrl-C stops it\n`)
  process.stdout.write(`${broker.bootstrapServers}\n`)
  const keepAlive = setInterval(() => undefined, 60_000)
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  clearInterval(keepAlive)
}

main().catch((error: unknown) => {
  process.stderr.write(`broker: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})

/**
 * A recommender: a Node host consumes what users play, workers in another language score it, and the recommendations go to
 * another topic, exactly once.
 *
 *   npm run example:recommender [-- --worker python|go --events 5000 --processes 2 --seed 7 --json]
 *
 * Everything else is brought along: a mock Kafka broker in this process (or --brokers host:port for a real one), sample data
 * from a seed, and a model that is trained on the first half of it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LanewayError, ParallelConsumer, processes } from 'laneway'
import { createTopics, MockBroker, TestProducer } from 'laneway/testing'
import { textOf } from './report.mjs'
import { plays, trainingSessions } from './sample-data.mjs'
import { summarize } from './summary.mjs'
import { train } from './training.mjs'
import { LANGUAGES, workerProgram } from './worker-programs.mjs'

const PARTITIONS = 4
const USERS = 200

const { values } = parseArgs({
  options: {
    worker: { type: 'string', default: 'python' },
    events: { type: 'string', default: '5000' },
    processes: { type: 'string', default: '2' },
    seed: { type: 'string', default: '7' },
    brokers: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
if (!LANGUAGES.includes(values.worker)) fail(`--worker is one of ${LANGUAGES.join(', ')}`)
const size = { users: USERS, events: numberOption('events') }
const seed = numberOption('seed')

say(`preparing the worker in ${values.worker}`)
const program = workerProgram(values.worker)
const folder = mkdtempSync(join(tmpdir(), 'laneway-recommender-'))
const modelPath = join(folder, 'model.json')
const model = train(trainingSessions(seed))
writeFileSync(modelPath, JSON.stringify(model))

const mock = values.brokers === undefined ? new MockBroker() : undefined
const kafka = { 'bootstrap.servers': values.brokers ?? mock.bootstrapServers, 'auto.offset.reset': 'earliest' }
// A name of its own for each run on a real broker.
const run = Date.now().toString(36)
const topics = { plays: `plays-${run}`, recommendations: `recommendations-${run}` }
await createBothTopics()
const events = plays(seed, size)
await produce(events)

say(`scoring ${events.length} events`)
const startedAt = performance.now()
const scoring = new ParallelConsumer({
  kafka: { ...kafka, 'group.id': `scoring-${run}` },
  topics: [topics.plays],
  // What workers send becomes visible in the transaction that settles their messages.
  transactional: { id: `recommender-${run}` },
  engine: processes({
    ...program,
    count: numberOption('processes'),
    handler: 'recommend',
    env: { RECOMMENDER_MODEL: modelPath, RECOMMENDER_OUTPUT: topics.recommendations },
    output: 'inherit',
  }),
})
const reading = new ParallelConsumer({
  kafka: { ...kafka, 'group.id': `reading-${run}`, 'isolation.level': 'read_committed' },
  topics: [topics.recommendations],
})
const answers = []
try {
  await Promise.all([scoring.run(), reading.run(keep)])
} finally {
  await Promise.all([scoring.close(), reading.close()])
  mock?.close()
  rmSync(folder, { recursive: true, force: true })
}

const seconds = (performance.now() - startedAt) / 1_000
const items = Object.keys(model.counts).length
const summary = summarize({ worker: values.worker, seconds, events, answers, items })
process.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : textOf(summary))

/** Ends both when there is an answer for each event. */
function keep(message) {
  answers.push(JSON.parse(String(message.value)))
  if (answers.length % 1_000 === 0) say(`${answers.length} of ${events.length} events`)
  if (answers.length < events.length) return
  for (const consumer of [scoring, reading]) consumer.close().catch(endedBadly)
}

async function createBothTopics() {
  const names = Object.values(topics)
  if (mock !== undefined) for (const topic of names) mock.createTopic(topic, PARTITIONS)
  else
    await createTopics(
      kafka,
      names.map((topic) => ({ topic, partitions: PARTITIONS })),
    )
}

async function produce(all) {
  const producer = new TestProducer({ 'bootstrap.servers': kafka['bootstrap.servers'] })
  for (const event of all) await producer.send({ topic: topics.plays, key: event.user, value: JSON.stringify(event) })
  await producer.flush()
  await producer.close()
}

function endedBadly(error) {
  fail(LanewayError.is(error) ? `${error.code}: ${error.message}` : String(error))
}

function say(text) {
  if (!values.json) process.stderr.write(`${text}\n`)
}

function fail(text) {
  process.stderr.write(`${text}\n`)
  process.exit(2)
}

function numberOption(name) {
  const number = Number(values[name])
  if (Number.isInteger(number) && number > 0) return number
  return fail(`--${name} wants a whole number above 0`)
}

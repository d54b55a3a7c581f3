/** Exactly once on a real broker: outputs and offsets are committed together, whatever is killed, stopped or refused. */
import { test } from 'uvu'
import { allCommitted, assertExactlyOnce, createTopics, member, startMember, transform } from './exactly-once.js'
import { brokerTest, fill, newLedger, sharedBroker, until, Watched } from './support.js'

const broker = sharedBroker()
const PARTITIONS = 4

brokerTest('each message becomes one output in the order of its key; failed attempts leave nothing', async () => {
  const kafka = await broker()
  const filling = { topic: 'transformed', messages: 5_000, keys: 100, partitions: PARTITIONS }
  await createTopics(kafka, filling.topic, PARTITIONS)
  await fill(kafka, filling)
  const watched = new Watched(member(kafka, filling.topic, 'one'), newLedger(), transform('transformed.out'))
  await allCommitted(kafka, filling.topic, PARTITIONS)
  await watched.close()
  await assertExactlyOnce(kafka, filling)
})

brokerTest('killed again and again and restarted with its transactional.id, it repeats no output', async () => {
  const kafka = await broker()
  const filling = { topic: 'killed', messages: 10_000, keys: 200, partitions: PARTITIONS }
  await createTopics(kafka, filling.topic, PARTITIONS)
  await fill(kafka, filling)
  const options = member(kafka, filling.topic, 'killed', { kafka: { 'session.timeout.ms': 1_000 } })
  for (let kill = 0; kill < 5; kill += 1) {
    const { child, handled, ended } = startMember(options, 'killed.out')
    const at = 200 + Math.random() * 1_000
    await until(`${at} messages`, () => handled() > at)
    child.kill('SIGKILL')
    await ended
  }
  const { child, ended } = startMember(options, 'killed.out')
  await allCommitted(kafka, filling.topic, PARTITIONS)
  child.kill('SIGTERM')
  await ended
  await assertExactlyOnce(kafka, filling)
})

test.run()

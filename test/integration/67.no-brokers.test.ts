/**
 * A broker that starts or ends may answer a metadata request with no brokers at all. The client goes on all the same: it
 * asks again, and does not drop the brokers that it knows. librdkafka did, and then at times never connected again
 * (docs/decisions/0005).
 */
import { ParallelConsumer } from 'laneway'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ScriptedBroker } from './scripted-broker.js'
import { until } from './support.js'

/** The unpatched library was lost after one to ten of them. */
const TIMES = 40
const REFRESH_MS = 50

test('metadata without brokers, again and again: the client never stops asking', async () => {
  await using broker = await ScriptedBroker.start()
  const consumer = new ParallelConsumer({
    kafka: {
      'bootstrap.servers': broker.bootstrapServers,
      'group.id': 'no-brokers',
      'topic.metadata.refresh.interval.ms': REFRESH_MS,
      'reconnect.backoff.ms': 10,
      'reconnect.backoff.max.ms': 50,
    },
    topics: ['unknown'],
    onUnknownTopic: 'wait',
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  })
  const running = consumer.run(() => undefined)
  await until('the first answer', () => broker.answered.usual > 0)
  for (let time = 1; time <= TIMES; time += 1) {
    broker.forgetBrokersOnce()
    await until(`empty answer ${time}`, () => broker.answered.empty === time)
    const { usual } = broker.answered
    await until(`a request after empty answer ${time}`, () => broker.answered.usual > usual)
  }
  assert.is(broker.answered.empty, TIMES)
  await consumer.close({ mode: 'abort' })
  await running
})

test.run()

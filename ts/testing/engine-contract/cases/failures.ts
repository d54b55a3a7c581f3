/** Failed attempts: counted, told to the policy, and followed by what it says or by what the handler has decided. */
import { LanewayError } from '../../../errors.js'
import type { Message } from '../../../ports/engine.js'
import { expect } from '../broken.js'
import type { CaseInScene } from '../engine-contract.js'
import { inTurns } from './lanes.js'

const others = ['a', 'b', 'c']

const codeOf = (error: unknown): string => (LanewayError.is(error) ? error.code : String(error))

export const failureCases: readonly CaseInScene[] = [
  {
    name: 'a failed attempt is repeated, with its number, before anything else of its lane',
    async play(scene) {
      await scene.produce([{ key: 'failing', value: { failUntil: 4 } }, { key: 'failing' }, { key: 'failing' }])
      await scene.produce(inTurns(others, 20, (i) => ({ failUntil: i % 7 === 0 ? 3 : 1 })))
      const life = await scene.begin()
      await life.untilAllIsCommitted()
      await life.close()
      const ledger = scene.ledger()
      scene.checkAllRan(ledger)
      for (const message of scene.produced) {
        const seen = ledger.attempts(message).map(({ attempt }) => attempt)
        const wanted = message.orders.failUntil ?? 1
        expect(seen.length === wanted, 'as many attempts as are needed', () => `${seen.join(', ')} of ${wanted}`)
      }
    },
  },
  {
    name: 'an asynchronous handler that fails is repeated likewise',
    async play(scene) {
      await scene.produce(inTurns(others, 10, (i) => ({ sleepMs: 2, failUntil: 1 + (i % 3) })))
      const life = await scene.begin()
      await life.untilAllIsCommitted()
      await life.close()
      scene.checkAllRan(scene.ledger())
    },
  },
  {
    name: 'the policy gets the error, the message and the attempt, and may refuse another one',
    async play(scene) {
      await scene.produce([{ key: 'k', value: { outcome: 'fail' } }, { key: 'k' }])
      const seen: { error: unknown; offset: number; attempt: number; value: unknown }[] = []
      const life = await scene.begin({
        onExhausted: 'drop',
        retry: {
          maxAttempts: 10,
          delay: 1,
          retryable: (error, { message, attempt }) => {
            seen.push({ error, offset: message.offset, attempt, value: JSON.parse(String(message.value)) })
            return attempt < 2
          },
        },
      })
      await life.untilAllIsCommitted()
      await life.close()
      scene.ledger()
      const told = seen.map(({ offset, attempt }) => `${offset}#${attempt}`).join(' ')
      expect(told === '0#1 0#2', 'each failed attempt is told once', () => told)
      for (const { error, value } of seen) {
        const text = error instanceof Error ? error.message : String(error)
        expect(text.includes('told to fail'), 'the error is the handler’s', () => text)
        expect(JSON.stringify(value) === '{"outcome":"fail"}', 'the message is whole', () => JSON.stringify(value))
      }
      const { drops } = life.consumer.stats()
      const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0)
      expect(dropped === 1, 'what is given up is dropped once', () => JSON.stringify(drops))
    },
  },
  {
    name: 'when the attempts are used up, run() rejects, and the message comes again',
    async play(scene) {
      await scene.produce([{ key: 'k' }, { key: 'k', value: { outcome: 'fail' } }, { key: 'k' }])
      const life = await scene.begin({ retry: { maxAttempts: 3, delay: 1 } })
      await life.ended()
      const code = codeOf(life.error)
      expect(code === 'RETRIES_EXHAUSTED', 'run() rejects with RETRIES_EXHAUSTED', () => code)
      const attempts = scene.ledger().attempts({ partition: 0, offset: 1 }).length
      expect(attempts === 3, 'as many attempts as the policy allows', () => `${attempts} of 3`)
      const again: number[] = []
      const other = scene.beginOther(({ offset }) => void again.push(offset))
      await other.untilAllIsCommitted()
      expect(again.join() === '1,2', 'what was not settled comes again, and nothing else', () => again.join())
    },
  },
  {
    name: 'a handler that decides to drop has settled its message, and the reason is counted',
    async play(scene) {
      await scene.produce([{ key: 'k', value: { outcome: 'drop', reason: 'too old' } }, { key: 'k' }])
      const life = await scene.begin()
      await life.untilAllIsCommitted()
      await life.close()
      const { runs } = scene.ledger()
      expect(runs.length === 2, 'each message runs once', () => `${runs.length} runs`)
      const { drops } = life.consumer.stats()
      expect(drops['too old'] === 1, 'the drop is counted by its reason', () => JSON.stringify(drops))
    },
  },
  {
    name: 'a handler that decides to dead-letter has its message delivered there, whole',
    async play(scene) {
      const dead = `${scene.topic}-dead`
      scene.createTopic(dead)
      const orders = { outcome: 'deadLetter', reason: 'broken' } as const
      await scene.produce([
        { key: 'k', value: orders, headers: [['h', Buffer.from([0, 255])]] },
        { key: 'k' },
        { key: 'exhausted', value: { outcome: 'fail' } },
      ])
      const life = await scene.begin({ deadLetter: { topic: dead }, retry: { maxAttempts: 2, delay: 1 } })
      await life.untilAllIsCommitted()
      await life.close()
      scene.ledger()
      const letters: Message[] = []
      const reader = scene.beginOther((message) => void letters.push(message), dead)
      await reader.until('both letters have arrived', () => letters.length === 2)
      const letter = letters.find(({ key }) => String(key) === 'k')
      expect(String(letter?.value) === JSON.stringify(orders), 'its value is whole', () => String(letter?.value))
      const header = letter?.headers.find(([name]) => name === 'h')?.[1]
      expect(header?.equals(Buffer.from([0, 255])) === true, 'its headers are whole', () => String(header))
    },
  },
  {
    name: 'a handler that decides to retry is not bound by the policy',
    async play(scene) {
      await scene.produce([{ key: 'k', value: { outcome: 'retry', delayMs: 1 } }, { key: 'k' }, { key: 'other' }])
      const life = await scene.begin({ retry: { maxAttempts: 2, delay: 1 } })
      await life.until('there are more attempts than the policy has', () => scene.lines().some((l) => l.attempt === 5))
      await life.until('others go on', () => life.consumer.stats().settled === 1)
      await life.close('abort')
      const later = scene.ledger().attempts({ partition: 0, offset: 1 }).length
      expect(later === 0, 'its lane stays closed', () => `the next message of the lane started ${later} times`)
    },
  },
  {
    name: 'a handler that decides to end the consumer ends it, and its message comes again',
    async play(scene) {
      await scene.produce([{ key: 'k' }, { key: 'k', value: { outcome: 'fatal' } }, { key: 'k' }])
      const life = await scene.begin()
      await life.ended()
      const code = codeOf(life.error)
      expect(code === 'FATAL_HANDLER', 'run() rejects with FATAL_HANDLER', () => code)
      const { runs } = scene.ledger()
      expect(runs.length === 2, 'nothing of the lane starts after it', () => `${runs.length} runs`)
      const again: number[] = []
      const other = scene.beginOther(({ offset }) => void again.push(offset))
      await other.untilAllIsCommitted()
      expect(again.join() === '1,2', 'what was not settled comes again, and nothing else', () => again.join())
    },
  },
  {
    name: 'an output without transactions is a failed attempt',
    async play(scene) {
      await scene.produce([{ key: 'k', value: { output: { topic: scene.topic, value: 'x' } } }, { key: 'k' }])
      const life = await scene.begin({ retry: { maxAttempts: 2, delay: 1 }, onExhausted: 'drop' })
      await life.untilAllIsCommitted()
      await life.close()
      const attempts = scene.ledger().attempts({ partition: 0, offset: 0 }).length
      expect(attempts === 2, 'both attempts fail', () => `${attempts} attempts`)
    },
  },
]

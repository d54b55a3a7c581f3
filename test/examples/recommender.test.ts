/** The recommender example, with workers in Python and in Go: the same answers, every event's, in the order of its user. */
import { execFileSync } from 'node:child_process'
import { type Context, suite } from 'uvu'
import * as assert from 'uvu/assert'
import { pythonProgram } from '../worker-conformance/python.js'
import { runExample } from './example.js'

interface Summary {
  readonly events: number
  readonly answers: number
  readonly workers: Readonly<Record<string, number>>
  readonly hitRate: number
  readonly chanceRate: number
  readonly users: readonly { readonly user: string; readonly recommendations: readonly [string, number][] }[]
}

const EVENTS = 2_000

function hasGo(): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Why there is no worker in this language here. */
const missing: Readonly<Record<string, string | undefined>> = {
  python: typeof pythonProgram([]) === 'string' ? String(pythonProgram([])) : undefined,
  go: hasGo() ? undefined : 'there is no go on the PATH (https://go.dev/dl)',
}

const tests = suite<Context>('recommender')
const summaries = new Map<string, Summary>()

for (const [language, reason] of Object.entries(missing)) {
  const isSkipped = reason !== undefined && process.env['CI'] === undefined
  if (isSkipped) process.stdout.write(`\n  SKIPPED: the recommender in ${language}: ${reason}\n`)
  const add = isSkipped ? tests.skip : tests
  add(`${language}: every event is answered, by all processes, and better than by chance`, async () => {
    const summary = await runExample<Summary>('recommender', '--worker', language, '--events', String(EVENTS))
    summaries.set(language, summary)
    assert.is(summary.answers, EVENTS)
    assert.is(Object.keys(summary.workers).length, 2)
    assert.ok(summary.hitRate > 3 * summary.chanceRate, `${summary.hitRate} of hits, ${summary.chanceRate} by chance`)
  })
}

tests('the same answers in both languages', () => {
  const [first, second] = [...summaries.values()]
  if (first === undefined || second === undefined) return
  const byUser = ({ users }: Summary) => Object.fromEntries(users.map(({ user, ...rest }) => [user, rest]))
  assert.equal(byUser(first), byUser(second))
})

tests.run()

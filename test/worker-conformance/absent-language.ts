/**
 * Stands for the tests of a language whose tools are not here: they are skipped, and it is said why. In CI everything that
 * tests need is to be there: that is a failure.
 */
import { suite } from 'uvu'

export function skipLoudly(title: string, reason: string): void {
  const tests = suite(title)
  process.stdout.write(`\n  SKIPPED: ${title}: ${reason}\n\n`)
  const skipOrFail = process.env['CI'] === undefined ? tests.skip : tests
  skipOrFail('there is what this language needs', () => {
    throw new Error(reason)
  })
  tests.run()
}

/** Plays every case with the worker program of one language, as a uvu suite. */
import { suite } from 'uvu'
import { cases } from './cases/index.js'
import { type Program, Scene } from './scene.js'

/** One thing that an SDK must do. */
export interface Case {
  readonly title: string
  play(scene: Scene): Promise<void>
}

/**
 * @param program a text says why there is none here: the cases are skipped then, and the text is shown. Where everything
 *   that tests need is to be there, in CI, that is a failure.
 */
export function runConformance(language: string, program: Program | string): void {
  const tests = suite(`${language} worker`)
  if (typeof program === 'string') {
    process.stdout.write(`\n  SKIPPED: the conformance of ${language} workers: ${program}\n\n`)
    const missing = () => {
      throw new Error(program)
    }
    if (process.env['CI'] === undefined) for (const { title } of cases) tests.skip(title)
    else tests(`there is what ${language} workers need`, missing)
    tests.run()
    return
  }
  for (const { title, play } of cases) {
    tests(title, async () => {
      const scene = new Scene(program)
      try {
        await Scene.within(`"${title}"`, play(scene))
      } catch (error) {
        process.stdout.write(scene.complaints())
        throw error
      } finally {
        await scene[Symbol.asyncDispose]()
      }
    })
  }
  tests.run()
}

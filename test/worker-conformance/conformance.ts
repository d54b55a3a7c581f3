/** Plays every case with the worker program of one language, as a uvu suite. */
import { suite } from 'uvu'
import { skipLoudly } from './absent-language.js'
import { cases } from './cases/index.js'
import { type Program, Scene } from './scene.js'

/** One thing that an SDK must do. */
export interface Case {
  readonly title: string
  play(scene: Scene): Promise<void>
}

/** @param program a text says why there is none here */
export function runConformance(language: string, program: Program | string): void {
  if (typeof program === 'string') {
    skipLoudly(`${language} worker`, program)
    return
  }
  const tests = suite(`${language} worker`)
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

/** How this SDK names itself in a Hello: its language and the version of the package. */
import { readFileSync } from 'node:fs'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string
}

export const SDK = `laneway-node/${version}`

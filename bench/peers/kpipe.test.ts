/** The peer KPipe, where Maven finds its jars; where it does not, the reason that the reports show. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kpipe } from './kpipe.js'
import { testPeer } from './peer-tests.js'

async function whyAbsent(): Promise<string | undefined> {
  try {
    await kpipe.prepare((line) => void process.stderr.write(`${line}\n`))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const reason = await whyAbsent()
if (reason === undefined) {
  await testPeer(kpipe)
} else {
  process.stderr.write(`SKIPPED, no KPipe: ${reason}\n`)
  test('KPipe that cannot be installed names the jar that is missing, and no address', () => {
    assert.match(reason, /io\.github\.eschizoid:kpipe-api/)
    assert.not.match(reason, /https?:/)
  })
  test.run()
}

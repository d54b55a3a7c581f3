/** Modules that cannot be handler modules, each for the reason in its URL's query. */
const reason = new URL(import.meta.url).search.slice(1)

function fail(): never {
  throw new Error('told to fail')
}

if (reason === 'throws') fail()
if (reason === 'exits') process.exit(3)
if (reason === 'waits') await new Promise(() => undefined)
if (reason === 'hangs') await new Promise(() => setInterval(() => undefined, 1_000))
if (reason === 'blocks') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)

export const setUp = reason === 'failing' ? fail : reason === 'nothing' ? () => undefined : undefined
export const deserialize = reason === 'decoder' ? { value: 'xml' } : undefined
export default reason === 'decoder' ? () => undefined : undefined

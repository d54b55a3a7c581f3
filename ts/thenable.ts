/** True for whatever `await` would wait for: handlers and decoders may return promises of any library. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  const mayBe = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return mayBe && 'then' in value && typeof value.then === 'function'
}

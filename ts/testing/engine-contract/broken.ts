/** How the suite says that an engine does not keep its contract. */
import { LanewayError } from '../../errors.js'

/** @throws LanewayError `CONTRACT_BROKEN`, always */
export function broken(promise: string, evidence: string): never {
  throw new LanewayError('CONTRACT_BROKEN', `${promise}: ${evidence}`)
}

/** @throws LanewayError `CONTRACT_BROKEN` where it does not hold */
export function expect(holds: boolean, promise: string, evidence: () => string): asserts holds {
  if (!holds) broken(promise, evidence())
}

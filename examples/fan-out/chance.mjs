/** Chance from a seed: the same question always gets the same answer, in whatever order questions come. */
import { createHash } from 'node:crypto'

/** @param {number} seed */
export function chanceFrom(seed) {
  /**
   * @param {...(string | number)} question
   * @returns {number} from 0 up to, but not, 1
   */
  return (...question) => {
    const hash = createHash('sha1')
      .update([seed, ...question].join('\0'))
      .digest()
    return hash.readUInt32BE() / 2 ** 32
  }
}

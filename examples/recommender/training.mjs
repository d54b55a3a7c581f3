/** The model: how often each item was played, and how often by the same user as each other item. */

/**
 * @param {readonly (readonly string[])[]} sessions
 * @returns {{ counts: Record<string, number>, together: Record<string, Record<string, number>> }}
 */
export function train(sessions) {
  /** @type {Record<string, number>} */
  const counts = {}
  /** @type {Record<string, Record<string, number>>} */
  const together = {}
  for (const session of sessions) {
    const items = new Set(session)
    for (const item of items) {
      counts[item] = (counts[item] ?? 0) + 1
      together[item] ??= {}
      for (const other of items) if (other !== item) together[item][other] = (together[item][other] ?? 0) + 1
    }
  }
  return { counts, together }
}

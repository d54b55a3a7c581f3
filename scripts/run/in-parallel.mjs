/**
 * Does the same with each of many, some at once; they begin in their order.
 * @template Item, Result
 * @param {readonly Item[]} items
 * @param {number} jobs how many at once
 * @param {(item: Item) => Promise<Result>} work
 * @returns {Promise<Result[]>} in the order of the items
 */
export async function inParallel(items, jobs, work) {
  /** @type {Result[]} */
  const results = new Array(items.length)
  const waiting = items.entries()
  const worker = async () => {
    for (const [index, item] of waiting) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  return results
}

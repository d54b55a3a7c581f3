/** What came out, in figures. The answers of a user are in the order of the user's events, because the user is the key. */

/** All items are recommended from, but those of late. */
const RECOMMENDED = 5

/**
 * @param {object} run
 * @param {string} run.worker its language
 * @param {number} run.seconds
 * @param {readonly import('./sample-data.mjs').Play[]} run.events
 * @param {readonly { user: string, recommendations: [string, number][], worker: number }[]} run.answers
 * @param {number} run.items how many there are
 */
export function summarize({ worker, seconds, events, answers, items }) {
  const eventsOf = grouped(events)
  const answersOf = grouped(answers)
  let hits = 0
  let chances = 0
  for (const [user, answered] of answersOf) {
    const next = eventsOf.get(user)?.slice(1) ?? []
    next.forEach(({ item }, i) => {
      // A user may play the same again: that is never recommended.
      if (eventsOf.get(user)[i].recent.includes(item)) return
      chances += 1
      if (answered[i]?.recommendations.some(([recommended]) => recommended === item)) hits += 1
    })
  }
  return {
    worker,
    events: events.length,
    answers: answers.length,
    seconds,
    perSecond: answers.length / seconds,
    workers: countBy(answers, (answer) => answer.worker),
    hitRate: hits / chances,
    chanceRate: RECOMMENDED / items,
    users: [...answersOf].map(([user, answered]) => ({
      user,
      recent: eventsOf.get(user).at(-1).recent,
      recommendations: answered.at(-1).recommendations,
    })),
  }
}

/** @template {{ user: string }} T @param {readonly T[]} all @returns {Map<string, T[]>} */
function grouped(all) {
  const groups = new Map()
  for (const each of all) {
    const group = groups.get(each.user)
    if (group === undefined) groups.set(each.user, [each])
    else group.push(each)
  }
  return groups
}

function countBy(all, keyOf) {
  /** @type {Record<string, number>} */
  const counts = {}
  for (const each of all) counts[keyOf(each)] = (counts[keyOf(each)] ?? 0) + 1
  return counts
}

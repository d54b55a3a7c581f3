/** What a person reads at the end. */

const SHOWN = 6

/** @param {ReturnType<typeof import('./summary.mjs').summarize>} summary */
export function textOf({ worker, events, seconds, perSecond, workers, hitRate, chanceRate, users }) {
  const shares = Object.entries(workers).map(([pid, count]) => `process ${pid}: ${count}`)
  return [
    '',
    `${events} events, scored by ${worker} in ${seconds.toFixed(1)} s: ${Math.round(perSecond)} events/s`,
    `by ${shares.join(', ')}`,
    `what a user played next was among the five recommended: ${percent(hitRate)} (by chance ${percent(chanceRate)})`,
    '',
    'user      last played                                   recommended',
    ...users.slice(0, SHOWN).map(line),
    '',
  ].join('\n')
}

function line({ user, recent, recommendations }) {
  const best = recommendations.slice(0, 3).map(([item, score]) => `${item} ${score.toFixed(2)}`)
  return `${user.padEnd(10)}${recent.join(', ').padEnd(46)}${best.join(', ')}`
}

function percent(part) {
  return `${(100 * part).toFixed(0)} %`
}

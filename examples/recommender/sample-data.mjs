/**
 * Listeners and what they play, from a seed: everyone has two genres and a favourite or two in each, and sometimes plays
 * something else. The first half of it is for training, the second half is what happens while the example runs.
 */

const GENRES = ['ambient', 'blues', 'folk', 'jazz', 'metal', 'opera', 'soul', 'techno']
const ITEMS_OF_GENRE = 12
const OFF_TASTE = 0.1
/** How much of what a user has played a recommendation looks at. */
const RECENT = 4
const TRAINING_USERS = 400
const TRAINING_PLAYS = 12

/** @typedef {{ user: string, item: string, recent: string[] }} Play an event: what a user plays now, and last played */

/** @param {number} seed  @returns {() => number} from 0 up to, but not, 1 (mulberry32) */
function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** @template T @param {() => number} random @param {readonly T[]} from @returns {T} */
const oneOf = (random, from) => from[Math.floor(random() * from.length)]

/** Items near the front of a genre are played more. @param {() => number} random @param {string} genre */
function itemOf(random, genre) {
  return `${genre} ${1 + Math.floor(ITEMS_OF_GENRE * random() ** 2)}`
}

/** @param {() => number} random */
function listener(random) {
  const first = oneOf(random, GENRES)
  const second = GENRES[(GENRES.indexOf(first) + 1 + Math.floor(random() * 2)) % GENRES.length]
  return () => itemOf(random, random() < OFF_TASTE ? oneOf(random, GENRES) : random() < 0.6 ? first : second)
}

/**
 * What each of many users has played before.
 * @param {number} seed
 * @returns {string[][]}
 */
export function trainingSessions(seed) {
  const random = randomFrom(seed)
  return Array.from({ length: TRAINING_USERS }, () => {
    const play = listener(random)
    return Array.from({ length: TRAINING_PLAYS }, play)
  })
}

/**
 * What happens now, in turn.
 * @param {number} seed
 * @param {{ readonly users: number, readonly events: number }} size
 * @returns {Play[]}
 */
export function plays(seed, { users, events }) {
  const random = randomFrom(seed + 1)
  const all = Array.from({ length: users }, (_, i) => ({ user: `user-${i}`, play: listener(random), recent: [] }))
  return Array.from({ length: events }, () => {
    const each = oneOf(random, all)
    const item = each.play()
    each.recent = [item, ...each.recent.filter((other) => other !== item)].slice(0, RECENT)
    return { user: each.user, item, recent: each.recent }
  })
}

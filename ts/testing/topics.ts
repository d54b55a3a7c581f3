/** Topics of a real cluster, for tests. */
import { translateAsync } from '../errors.js'
import { addon } from '../native.js'

const DEFAULT_TIMEOUT_MS = 30_000

export interface NewTopic {
  readonly topic: string
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly config?: Readonly<Record<string, string>>
}

/** Creates topics on a real cluster. */
export async function createTopics(
  properties: Readonly<Record<string, string>>,
  topics: readonly NewTopic[],
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<void> {
  const list = topics.map(({ topic, partitions = 1, replicationFactor = 1, config = {} }) => {
    return { topic, partitions, replicationFactor, config }
  })
  await translateAsync(addon.createTopics(properties, list, timeoutMs))
}

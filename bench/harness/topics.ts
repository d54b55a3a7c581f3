/** The topics of one benchmark: each is filled when it is first wanted, and all are deleted at the end. */
import type { Cluster } from './cluster.js'
import { type FilledTopic, fillTopic, type TopicShape } from './topic.js'

export class Topics implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #folder: string
  readonly #say: (line: string) => void
  readonly #filled = new Map<string, FilledTopic>()

  /** `folder` gets the producer's ledgers. */
  constructor(cluster: Cluster, folder: string, say: (line: string) => void) {
    this.#cluster = cluster
    this.#folder = folder
    this.#say = say
  }

  /** @throws Error where the cluster cannot keep so many messages */
  async get(shape: TopicShape): Promise<FilledTopic> {
    const id = JSON.stringify(shape)
    const known = this.#filled.get(id)
    if (known !== undefined) return known
    const { messages, valueBytes, keys, partitions, compression = 'lz4' } = shape
    const capacity = this.#cluster.capacity(valueBytes, partitions)
    if (capacity < messages) throw new Error(`this cluster keeps ${capacity} of ${messages} messages: take fewer`)
    const counts = `${messages.toLocaleString('en')} x ${valueBytes} B, ${keys.toLocaleString('en')} keys`
    this.#say(`filling a topic: ${counts}, ${partitions} partitions, ${compression}`)
    const topic = await fillTopic(this.#cluster, shape, this.#folder)
    this.#filled.set(id, topic)
    return topic
  }

  /** Deletes what has been filled so far: the disk need not hold the topics of all cases at once. */
  async clear(): Promise<void> {
    for (const [id, { name }] of this.#filled) {
      await this.#cluster.deleteTopic(name)
      this.#filled.delete(id)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.clear()
  }
}

/** What users write to handle the keys of a batch side by side: a promise chain per key. */
export interface KeyedMessage {
  readonly key: Buffer | null
}

/** Ends when every message has been handled, those of one key one after the other, in their order. */
export async function handleByKey<Message extends KeyedMessage>(
  messages: readonly Message[],
  handle: (message: Message) => Promise<void>,
): Promise<void> {
  const chains = new Map<string, Promise<void>>()
  for (const message of messages) {
    const key = String(message.key)
    const before = chains.get(key)
    chains.set(key, before === undefined ? handle(message) : before.then(() => handle(message)))
  }
  await Promise.all(chains.values())
}

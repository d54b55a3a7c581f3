/** Runs the engine contract's cases as uvu tests. */
import { type ContractCase, type EngineContract, engineContract } from 'laneway/testing'
import { suite } from 'uvu'

/** Fewer messages in the largest case where everything is slower: under a sanitizer. */
const messages = Number(process.env['LANEWAY_CONTRACT_MESSAGES'] ?? 100_000)

/** uvu takes `details` of an error for text of its own, and stops without a word where it is none. */
export async function play({ run }: ContractCase): Promise<void> {
  try {
    await run()
  } catch (error) {
    throw new Error(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

export function runContract(engine: string, contract: EngineContract): void {
  const test = suite(`engine contract: ${engine}`)
  for (const each of engineContract({ messages, ...contract })) test(each.name, () => play(each))
  test.run()
}

/** Runs the engine contract's cases as uvu tests. */
import { type EngineContract, engineContract } from 'laneway/testing'
import { suite } from 'uvu'

/** Fewer messages in the largest case where everything is slower: under a sanitizer. */
const messages = Number(process.env['LANEWAY_CONTRACT_MESSAGES'] ?? 100_000)

export function runContract(engine: string, contract: EngineContract): void {
  const test = suite(`engine contract: ${engine}`)
  for (const { name, run } of engineContract({ messages, ...contract })) test(name, run)
  test.run()
}

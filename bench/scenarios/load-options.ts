/** The options of scenarios that put one load on everyone: what its messages are like, and how many handlers run at once. */
import type { Command } from 'commander'
import { z } from 'zod'
import { wholeNumber } from '../command-options.js'

/** As {@link addLoadOptions} has the command line read them. */
export const loadOptions = {
  size: z.number(),
  keys: z.number(),
  partitions: z.number(),
  concurrency: z.number(),
}

export function addLoadOptions(command: Command): void {
  command
    .option('--size <bytes>', 'bytes of a value', wholeNumber, 100)
    .option('--keys <n>', 'keys, uniformly used', wholeNumber, 10_000)
    .option('--partitions <n>', 'partitions of the topic', wholeNumber, 4)
    .option('--concurrency <n>', 'handlers at once, where a contestant has such a setting', wholeNumber, 100)
}

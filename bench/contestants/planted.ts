/**
 * A slow-down that is planted to show that the regression gate sees one: the contestant goes on using the CPU after its last
 * handler, where nothing else of the run can make up for it, until both its time and its CPU are what they would be with
 * that share of its speed gone. It is in this program alone, never in the product.
 */

/** The share, above 0 and below 1; nothing is planted where it is not set. */
export const PLANT_VARIABLE = 'LANEWAY_BENCH_PLANT'

/** @param so far, of the run */
export function burnPlanted({ seconds, cpuSeconds }: { readonly seconds: number; readonly cpuSeconds: number }): void {
  const share = Number(process.env[PLANT_VARIABLE] ?? 0)
  if (!(share >= 0 && share < 1)) throw new Error(`${PLANT_VARIABLE} is a share from 0 to 1, not "${share}"`)
  const until = performance.now() + Math.max(seconds, cpuSeconds) * 1000 * (share / (1 - share))
  while (performance.now() < until);
}

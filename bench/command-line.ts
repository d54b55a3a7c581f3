/**
 * The command line that repeats a measurement, for its report. Where it ran and where its report went are left out: they
 * belong to one machine.
 */
const LOCAL_OPTIONS = ['--brokers', '--json', '--report']

export function repeatable(args: readonly string[]): string {
  const isLocal = (arg = ''): boolean => LOCAL_OPTIONS.some((option) => arg === option || arg.startsWith(`${option}=`))
  const isValueOfLocal = (index: number): boolean => LOCAL_OPTIONS.includes(args[index - 1] ?? '')
  return ['npm run bench --', ...args.filter((arg, index) => !isLocal(arg) && !isValueOfLocal(index))].join(' ')
}

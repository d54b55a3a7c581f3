/** Progress goes to stderr: stdout is for the table. */
export const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`)

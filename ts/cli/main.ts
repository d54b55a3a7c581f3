#!/usr/bin/env node
/**
 * The `laneway` command. Results go to stdout, everything else to stderr; a failure ends with its code, what it means,
 * and exit code 1 (2 for a wrong command line). With `--json` a failure too is one JSON document on stdout.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { LanewayError } from '../errors.js'
import { addon } from '../native.js'
import { addConsume } from './consume.js'
import { addDemo } from './demo.js'
import { addGroup } from './group.js'
import { addMetadata } from './metadata.js'
import { writeJson } from './terminal.js'

function versionText(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const { librdkafka, features, zstd, addon: napi } = addon.versions()
  return [
    `laneway ${version}`,
    `librdkafka ${librdkafka} (${features.split(',').join(', ')})`,
    `zstd ${zstd}`,
    `${napi}, node ${process.versions.node}`,
  ].join('\n')
}

function makeProgram(): Command {
  const program = new Command('laneway')
  program
    .description('Consumes Kafka in parallel inside each partition, in key order, without losing a message.')
    .version(versionText(), '-V, --version', 'print the versions and librdkafka’s built-in features')
    .showHelpAfterError('(add --help for what there is)')
    .exitOverride()
  for (const add of [addDemo, addConsume, addGroup, addMetadata]) add(program)
  for (const command of program.commands) {
    command.exitOverride()
    for (const inner of command.commands) inner.exitOverride()
  }
  return program
}

function reportFailure(error: unknown): void {
  const isKnown = LanewayError.is(error)
  const code = isKnown ? error.code : 'INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`${code}: ${message}\n`)
  if (!isKnown && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  if (process.argv.includes('--json')) writeJson({ error: { code, message } })
  process.exitCode = 1
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads has had enough.
  if (error.code === 'EPIPE') process.exit()
  throw error
})

try {
  await makeProgram().parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else reportFailure(error)
}

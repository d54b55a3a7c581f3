/**
 * The README's table of options, made from the schema: `node dist/config-table.js` prints it, and a test compares it with
 * what the README has between its markers.
 */
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { schema } from './config.js'

interface Row {
  readonly name: string
  readonly description: string
  readonly fallback: string
}

type Shape = Readonly<Record<string, z.ZodType>>

function unwrap(type: z.ZodType): z.ZodType {
  if (type instanceof z.ZodDefault || type instanceof z.ZodPrefault || type instanceof z.ZodOptional) {
    return unwrap(type.def.innerType as z.ZodType)
  }
  return type
}

function defaultOf(type: z.ZodType, said: unknown): string {
  if (typeof said === 'string') return said.includes('`') ? said : `\`${said}\``
  if (type instanceof z.ZodOptional) return 'none'
  if (!(type instanceof z.ZodDefault)) return 'required'
  return `\`${JSON.stringify(type.def.defaultValue)}\``
}

function rowsOf(shape: Shape, prefix: string): Row[] {
  return Object.entries(shape).flatMap(([key, type]) => {
    const name = prefix + key
    const inner = unwrap(type)
    const { description = '', default: said } = type.meta() ?? {}
    const own = { name, description, fallback: defaultOf(type, said) }
    if (!(inner instanceof z.ZodObject)) return [own]
    // A part that may be left out has a row of its own.
    return [...(type instanceof z.ZodOptional ? [own] : []), ...rowsOf(inner.shape, `${name}.`)]
  })
}

/** The table in Markdown. */
export function configTable(): string {
  const rows = rowsOf(schema.shape, '').map(
    ({ name, description, fallback }) => `| \`${name}\` | ${description} | ${fallback} |`,
  )
  return ['| option | what it is | default |', '|---|---|---|', ...rows, ''].join('\n')
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(configTable())
}

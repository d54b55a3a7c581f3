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
  if (!(type instanceof z.ZodDefault)) return 'required'
  return `\`${JSON.stringify(type.def.defaultValue)}\``
}

function rowsOf(shape: Shape, prefix: string): Row[] {
  return Object.entries(shape).flatMap(([key, type]) => {
    const name = prefix + key
    const inner = unwrap(type)
    if (inner instanceof z.ZodObject) return rowsOf(inner.shape, `${name}.`)
    const { description = '', default: said } = type.meta() ?? {}
    return [{ name, description, fallback: defaultOf(type, said) }]
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

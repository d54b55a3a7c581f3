/**
 * What comes from outside becomes a typed value here, or a `CONFIG_INVALID` that names every wrong field. The one place
 * that turns a schema's findings into a LanewayError; it knows no option itself.
 */
import type { z } from 'zod'
import { LanewayError } from './errors.js'

/**
 * @param what is being checked; said where no field can be named
 * @throws LanewayError `CONFIG_INVALID`, with every wrong field in `issues`
 */
export function validate<Schema extends z.ZodType>(schema: Schema, value: unknown, what = 'options'): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.flatMap((issue) => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [{ field: path.join('.') || what, message: issue.message }]
    return issue.keys.map((key) => ({ field: [...path, key].join('.'), message: 'is not an option' }))
  })
  const text = issues.map(({ field, message }) => `${field}: ${message}`).join('; ')
  throw new LanewayError('CONFIG_INVALID', `invalid ${what}: ${text}`, { issues })
}

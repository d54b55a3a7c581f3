/** A handler module that decodes keys and values by itself. */
import type { DecodedMessage } from 'laneway'
import type { Told } from './told-handler.js'

export const deserialize = {
  key: (key: Buffer | null) => {
    if (String(key) === 'not decoded') throw new Error('told not to decode')
    return `decoded ${String(key)}`
  },
  value: 'json',
}

export default ({ key, value }: DecodedMessage<string, Told>): void => {
  if (key !== 'decoded a' || value.spinMs !== 1) throw new Error(`got ${key} ${JSON.stringify(value)}`)
}

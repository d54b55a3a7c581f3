/** Which group on which cluster: the options that every group command shares, as the raw calls want them. */

export interface GroupOptions {
  readonly brokers: string
  readonly group: string
  readonly timeout: number
  readonly property: Readonly<Record<string, string>>
  readonly json: boolean
}

export interface GroupTarget {
  readonly properties: Readonly<Record<string, string>>
  readonly group: string
  readonly timeoutMs: number
}

export function targetOf({ brokers, group, timeout, property }: GroupOptions): GroupTarget {
  return { properties: { ...property, 'bootstrap.servers': brokers }, group, timeoutMs: timeout }
}

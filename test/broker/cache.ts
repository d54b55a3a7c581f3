/**
 * Folders that are costly to make and that all checkouts share, in the cache that scripts/setup uses too:
 * $LANEWAY_CACHE, else laneway in $XDG_CACHE_HOME or ~/.cache.
 *
 * A folder appears by one rename, so a half-made one is never used; its name should hold a hash of what it is made
 * from, so it is never changed either. The lock only spares a second process the work; safety rests on the rename.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const LOCK_DEADLINE_MS = 15 * 60_000
const LOCK_POLL_MS = 200

export function cachePath(name: string): string {
  const { LANEWAY_CACHE: chosen, XDG_CACHE_HOME: caches } = process.env
  return join(chosen || join(caches || join(homedir(), '.cache'), 'laneway'), name)
}

/** The cached folder of this name; `fill` makes it in a temporary folder where it is not there yet. */
export async function cached(name: string, fill: (partial: string) => Promise<void>): Promise<string> {
  const folder = cachePath(name)
  if (existsSync(folder)) return folder
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return
    const partial = await mkdtemp(`${folder}.partial-`)
    try {
      await fill(partial)
      await rename(partial, folder)
    } finally {
      await rm(partial, { recursive: true, force: true })
    }
  })
  return folder
}

/** A lock file that names its holder; one left by a process that has died is taken away. */
async function withLock(file: string, work: () => Promise<void>): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const giveUpAt = Date.now() + LOCK_DEADLINE_MS
  while (!(await tryLock(file))) {
    const holder = Number(await readFile(file, 'utf8').catch(() => ''))
    if (holder > 0 && !isAlive(holder)) await rm(file, { force: true })
    else if (Date.now() > giveUpAt) throw new Error(`waited too long for ${file}, held by process ${holder}`)
    else await delay(LOCK_POLL_MS)
  }
  try {
    await work()
  } finally {
    await rm(file, { force: true })
  }
}

async function tryLock(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx')
    await handle.writeFile(String(process.pid))
    await handle.close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

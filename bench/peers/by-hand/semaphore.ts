/** Lets so many in at once, the others in the order in which they came. */
interface Waiting {
  readonly enter: () => void
  next: Waiting | undefined
}

export class Semaphore {
  #free: number
  #first: Waiting | undefined
  #last: Waiting | undefined

  constructor(places: number) {
    this.#free = places
  }

  async run(work: () => void | Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free -= 1
    else await this.#turn()
    try {
      await work()
    } finally {
      this.#leave()
    }
  }

  /** A list, since taking the first one out of a long array moves all others. */
  #turn(): Promise<void> {
    return new Promise((enter) => {
      const waiting: Waiting = { enter, next: undefined }
      if (this.#last === undefined) this.#first = waiting
      else this.#last.next = waiting
      this.#last = waiting
    })
  }

  /** The place goes to the one that has waited longest. */
  #leave(): void {
    const waiting = this.#first
    if (waiting === undefined) {
      this.#free += 1
      return
    }
    this.#first = waiting.next
    if (this.#first === undefined) this.#last = undefined
    waiting.enter()
  }
}

/**
 * Fences that the main thread raises at any time, also in the middle of a turn of this one: a look into the inbox before each
 * message, so that none starts once a fence has been sent.
 */
import type { HandlerHost } from '../../ports/engine.js'
import { Fences } from '../executor/fences.js'
import type { Inbox } from './inbox.js'

export class ThreadFences extends Fences {
  readonly #inbox: Inbox

  constructor(host: HandlerHost, inbox: Inbox) {
    super(host)
    this.#inbox = inbox
  }

  override isOver(...message: Parameters<Fences['isOver']>): boolean {
    this.#inbox.look()
    return super.isOver(...message)
  }
}

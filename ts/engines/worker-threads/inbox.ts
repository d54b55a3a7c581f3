/**
 * What the main thread says to a worker thread, also while the worker is in the middle of a turn: a shared counter tells
 * whether there is something to be fetched, so that looking costs no more than reading it.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { ToThread } from './thread-messages.js'

export class Inbox {
  readonly #port: MessagePort
  readonly #sent: Int32Array
  readonly #receive: (message: ToThread) => void
  #received = 0

  constructor(port: MessagePort, sent: SharedArrayBuffer, receive: (message: ToThread) => void) {
    this.#port = port
    this.#sent = new Int32Array(sent)
    this.#receive = receive
    port.on('message', (message: ToThread) => this.#take(message))
  }

  /** Receives what has been sent by now, in its order. */
  look(): void {
    if (Atomics.load(this.#sent, 0) === this.#received) return
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
      this.#take(next.message as ToThread)
    }
  }

  #take(message: ToThread): void {
    this.#received += 1
    this.#receive(message)
  }
}

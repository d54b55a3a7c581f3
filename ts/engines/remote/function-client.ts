/** Calls FunctionService.Call, and turns what it answers into what a handler would have done. */
import { type Client, type ClientUnaryCall, type Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { contractMessage } from '../../contracts/leases.js'
import { errorOf, outgoingRecord } from '../../contracts/settlements.js'
import { type CallRequest, type CallResponse, functionService, v1 } from '../../contracts/worker-contract.js'
import { WorkerError } from '../../contracts/worker-error.js'
import type { Address } from '../../net/address.js'
import { clientOf, metadataWith } from '../../net/channel.js'
import type { ClientTls } from '../../net/tls.js'
import type { HandlerContext, Message } from '../../ports/engine.js'

export interface FunctionClientOptions {
  readonly address: Address
  readonly handler: string
  readonly tls?: ClientTls | undefined
  readonly token?: string | undefined
  readonly timeout: number
  readonly maxMessageBytes: number
}

const { STATUS_COMPLETED, STATUS_RELEASED } = v1.Status
const { path, requestSerialize, responseDeserialize } = functionService.call

export class FunctionClient {
  readonly #options: FunctionClientOptions
  readonly #client: Client
  readonly #metadata: Metadata

  constructor(options: FunctionClientOptions) {
    const { address, tls, token, maxMessageBytes } = options
    this.#options = options
    this.#client = clientOf(address, tls, { 'grpc.max_receive_message_length': maxMessageBytes })
    this.#metadata = metadataWith(token)
  }

  /** Resolves where the message is settled; rejects as its handler would have. */
  async call(message: Message, context: HandlerContext): Promise<void> {
    const { settlement } = await this.#ask(
      {
        handler: this.#options.handler,
        topic: message.topic,
        partition: message.partition,
        message: contractMessage(message),
        attempt: context.attempt,
        firstFailedAtMs: context.firstFailedAt ?? null,
      },
      context.signal,
    )
    if (!settlement) throw new WorkerError('the answer is empty', { code: 'ANSWER_INVALID' })
    if (settlement.status === STATUS_RELEASED) {
      throw new WorkerError('the function has not run the message', { code: 'RELEASED' })
    }
    if (settlement.status !== STATUS_COMPLETED) throw errorOf(settlement)
    for (const output of settlement.outputs ?? []) context.send(outgoingRecord(output))
  }

  #ask(request: CallRequest, signal: AbortSignal): Promise<CallResponse> {
    const deadline = Date.now() + this.#options.timeout
    return new Promise((resolve, reject) => {
      const cancel = () => call.cancel()
      const onAnswer = (error: ServiceError | null, response?: CallResponse) => {
        signal.removeEventListener('abort', cancel)
        if (error === null) resolve(response ?? {})
        else reject(signal.aborted ? signal.reason : failure(error))
      }
      const call: ClientUnaryCall = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata,
        { deadline },
        onAnswer,
      )
      if (signal.aborted) cancel()
      else signal.addEventListener('abort', cancel)
    })
  }
}

function failure({ code, details }: ServiceError): WorkerError {
  return new WorkerError(details, { code: status[code] ?? String(code) })
}

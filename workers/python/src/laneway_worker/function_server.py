"""Simple functions (FunctionService): servers that a host calls once for each message, with `callFunction()`."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

import grpc

from laneway_worker import _contract
from laneway_worker._contract import worker_pb2 as contract
from laneway_worker.answers import completed, failed
from laneway_worker.context import Context
from laneway_worker.credentials import Address, Tls
from laneway_worker.handlers import Handler, Handlers, wrong_result
from laneway_worker.message import message_from

CallContext: TypeAlias = "grpc.aio.ServicerContext[contract.CallRequest, contract.CallResponse]"

_NO_DEADLINE_S = 86_400.0
_FRAME_OVERHEAD_BYTES = 1024 * 1024
"""What a call has besides the bytes of its message."""


class FunctionServer:
    """Serves until it is closed. Made by `serve_function()`."""

    def __init__(self, server: grpc.aio.Server, address: str, handlers: Handlers) -> None:
        self._server = server
        self._handlers = handlers
        self.address = address
        """Where it listens; with the port that was chosen where none was named."""

    async def close(self, grace: float = 25.0) -> None:
        """Takes no new calls, and lets those that run end for `grace` seconds; then they are cancelled. Idempotent."""
        await self._server.stop(grace)
        self._handlers.close()

    async def wait(self) -> None:
        """Returns when it is closed."""
        await self._server.wait_for_termination()


async def serve_function(
    handlers: Mapping[str, Handler],
    *,
    listen: str,
    concurrency: int = 64,
    token: str | None = None,
    tls: Tls | None = None,
    insecure: bool = False,
    max_message_bytes: int = 16 * 1024 * 1024,
) -> FunctionServer:
    """Serves handlers, by name, to hosts that call.

    listen: `unix:/path`, `host:port` or `[host]:port`; port 0: any that is free.
    concurrency: calls that run at once; more are refused with RESOURCE_EXHAUSTED, which is a failed attempt.
    token: the bearer token that hosts must bring along.
    tls: with `cert` and `key`; with `ca` hosts need certificates of their own, too. Without it only a Unix socket or loopback
        is listened on, unless `insecure`.
    max_message_bytes: of a call.

    Raises ValueError for an impossible option, RuntimeError where the address cannot be listened on.
    """
    address = Address.parse(listen)
    address.require_secured(tls is not None or insecure)
    bound = Handlers(handlers, concurrency)
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_message_bytes + _FRAME_OVERHEAD_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=concurrency,
    )
    service = _Functions(bound, token)
    call = grpc.unary_unary_rpc_method_handler(
        service.call,
        request_deserializer=contract.CallRequest.FromString,
        response_serializer=contract.CallResponse.SerializeToString,
    )
    name, method = _contract.CALL.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {method: call}),))
    port = (
        server.add_insecure_port(address.text)
        if tls is None
        else server.add_secure_port(address.text, _server_credentials(tls))
    )
    await server.start()
    text = address.text if address.is_unix else f"{address.text.rpartition(':')[0]}:{port}"
    return FunctionServer(server, text, bound)


def _server_credentials(tls: Tls) -> grpc.ServerCredentials:
    if tls.cert is None or tls.key is None:
        raise ValueError("tls: a server needs cert and key")
    return grpc.ssl_server_credentials(
        [(tls.key, tls.cert)], root_certificates=tls.ca, require_client_auth=tls.ca is not None
    )


class _Functions:
    def __init__(self, handlers: Handlers, token: str | None) -> None:
        self._handlers = handlers
        self._authorization = None if token is None else f"Bearer {token}"

    async def call(self, request: contract.CallRequest, call: CallContext) -> contract.CallResponse:
        if not self._is_authorized(call):
            await call.abort(grpc.StatusCode.UNAUTHENTICATED, "the bearer token is missing or wrong")
        if request.handler not in self._handlers:
            await call.abort(grpc.StatusCode.NOT_FOUND, f"there is no handler {request.handler!r} here")
        remaining = call.time_remaining()
        context = Context(
            attempt=request.attempt,
            first_failed_at=request.first_failed_at_ms if request.HasField("first_failed_at_ms") else None,
            deadline=time.monotonic() + (_NO_DEADLINE_S if remaining is None else remaining),
            metadata=request.message.metadata,
            # The host says so where it does not.
            takes_outputs=True,
        )
        message = message_from(request.topic, request.partition, request.message)
        try:
            running = self._handlers.begin(request.handler, message, context)
        except Exception as error:
            # It does not take what a handler is given.
            return contract.CallResponse(settlement=failed(error))
        return contract.CallResponse(settlement=await self._settlement(running, context))

    async def _settlement(self, running: asyncio.Future[Any], context: Context) -> contract.Settlement:
        """gRPC cancels this coroutine when the host cancels the call or its deadline passes."""
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            context.cancelled.set()
            if isinstance(running, asyncio.Task):
                running.cancel()
            # The call takes one of the places until its handler has really ended.
            await asyncio.wait([running])
            raise
        finally:
            outputs = context._lose()
        if running.cancelled():
            return failed(asyncio.CancelledError("the handler has cancelled itself"))
        error = running.exception() or wrong_result(running.result())
        return completed(outputs) if error is None else failed(error)

    def _is_authorized(self, call: CallContext) -> bool:
        if self._authorization is None:
            return True
        brought = [str(value) for name, value in call.invocation_metadata() or () if name == "authorization"]
        return any(hmac.compare_digest(each.encode(), self._authorization.encode()) for each in brought)

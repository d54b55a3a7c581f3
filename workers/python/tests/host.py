"""A host in the test's own process, which does what the test says; its sessions come one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from laneway_worker import _contract
from laneway_worker._contract import worker_pb2 as contract
from laneway_worker.host_clock import worker_time_ms


class Host:
    def __init__(self, address: str) -> None:
        self.address = address
        self.hellos: asyncio.Queue[contract.Hello] = asyncio.Queue()
        self.metadata: list[dict[str, str]] = []
        self.settlements: asyncio.Queue[contract.Settlement] = asyncio.Queue()
        self.requests: list[str] = []
        self.refusal: grpc.StatusCode | None = None
        self.refused = asyncio.Event()
        self.drained = asyncio.Event()
        self._down: asyncio.Queue[contract.WorkResponse] = asyncio.Queue()
        self._sessions: set[asyncio.Task[None]] = set()
        self._leases = 0

    async def work(self, requests: AsyncIterator[contract.WorkRequest], call: Any) -> None:
        self.metadata.append({name: str(value) for name, value in call.invocation_metadata()})
        if self.refusal is not None:
            self.refused.set()
            await call.abort(self.refusal, "not you")
        session = asyncio.create_task(self._serve(requests, call))
        self._sessions.add(session)
        await asyncio.wait([session])
        self._sessions.discard(session)

    def end(self) -> None:
        """Ends its side of every stream."""
        for session in self._sessions:
            session.cancel()

    async def _serve(self, requests: AsyncIterator[contract.WorkRequest], call: Any) -> None:
        down: asyncio.Task[None] | None = None
        try:
            async for request in requests:
                kind = request.WhichOneof("kind") or "unknown"
                self.requests.append(kind)
                if kind == "hello":
                    await call.write(self._welcome(request.hello))
                    down = asyncio.create_task(self._send(call))
                    await self.hellos.put(request.hello)
                elif kind == "settlements":
                    for settlement in request.settlements.settlements:
                        await self.settlements.put(settlement)
                elif kind == "heartbeat":
                    reply = contract.HeartbeatReply(
                        sent_at_ms=request.heartbeat.sent_at_ms, host_time_ms=worker_time_ms()
                    )
                    self._down.put_nowait(contract.WorkResponse(heartbeat_reply=reply))
                elif kind == "drain":
                    self.drained.set()
        finally:
            if down is not None:
                down.cancel()

    def lease(self, *values: bytes, handler: str = "work") -> int:
        """One run; returns the id of its last lease."""
        run = contract.Run(topic="t", partition=0)
        for value in values:
            self._leases += 1
            message = contract.Message(offset=self._leases, timestamp_ms=-1, value=value)
            run.leases.add(id=self._leases, message=message, attempt=1, deadline_ms=worker_time_ms() + 60_000)
        self._down.put_nowait(contract.WorkResponse(leases=contract.Leases(handler=handler, runs=[run])))
        return self._leases

    def _welcome(self, hello: contract.Hello) -> contract.WorkResponse:
        welcome = contract.Welcome(
            contract_version=1,
            capabilities=[_contract.OUTPUTS],
            heartbeat_interval_ms=1_000,
            heartbeat_timeout_ms=30_000,
            sent_at_ms=hello.sent_at_ms,
            host_time_ms=worker_time_ms(),
        )
        return contract.WorkResponse(welcome=welcome)

    async def _send(self, call: Any) -> None:
        while True:
            await call.write(await self._down.get())


@asynccontextmanager
async def listening(folder: Path, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Host]:
    """On a Unix socket in plain text, or with credentials on loopback."""
    server = grpc.aio.server()
    if credentials is None:
        address = f"unix:{folder / 'host.sock'}"
        server.add_insecure_port(address)
    else:
        address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    host = Host(address)
    work = grpc.stream_stream_rpc_method_handler(
        host.work,
        request_deserializer=contract.WorkRequest.FromString,
        response_serializer=contract.WorkResponse.SerializeToString,
    )
    service, method = _contract.WORK.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: work}),))
    await server.start()
    try:
        yield host
    finally:
        await server.stop(None)

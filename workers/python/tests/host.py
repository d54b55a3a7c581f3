"""A host in the test's own process: one session, which does what the test says."""

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
        self._down: asyncio.Queue[contract.WorkResponse] = asyncio.Queue()
        self._leases = 0

    async def work(self, requests: AsyncIterator[contract.WorkRequest], call: Any) -> None:
        self.metadata.append({name: str(value) for name, value in call.invocation_metadata()})
        if self.refusal is not None:
            self.refused.set()
            await call.abort(self.refusal, "not you")
        down: asyncio.Task[None] | None = None
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
async def listening(folder: Path) -> AsyncIterator[Host]:
    host = Host(f"unix:{folder / 'host.sock'}")
    server = grpc.aio.server()
    work = grpc.stream_stream_rpc_method_handler(
        host.work,
        request_deserializer=contract.WorkRequest.FromString,
        response_serializer=contract.WorkResponse.SerializeToString,
    )
    service, method = _contract.WORK.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: work}),))
    server.add_insecure_port(host.address)
    await server.start()
    try:
        yield host
    finally:
        await server.stop(None)

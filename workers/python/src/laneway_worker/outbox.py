"""What is to be told to the host. One write is on its way at a time; all that is settled meanwhile shares the next frame.
Outputs, which may be large, are put into frames of about a megabyte.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from laneway_worker._contract import worker_pb2 as contract

_MAX_FRAME_BYTES = 1024 * 1024


class Outbox:
    def __init__(self, write: Callable[[contract.WorkRequest], Awaitable[None]]) -> None:
        self._write = write
        self._requests: deque[contract.WorkRequest] = deque()
        self._settlements: deque[contract.Settlement] = deque()
        self._work = asyncio.Event()
        self._is_closed = False

    def post(self, request: contract.WorkRequest) -> None:
        self._requests.append(request)
        self._work.set()

    def settle(self, settlement: contract.Settlement) -> None:
        self._settlements.append(settlement)
        self._work.set()

    def close(self) -> None:
        """Nothing comes any more: `run()` ends when all is written."""
        self._is_closed = True
        self._work.set()

    async def run(self) -> None:
        while True:
            while self._requests or self._settlements:
                await self._write(self._requests.popleft() if self._requests else self._frame())
            if self._is_closed:
                return
            self._work.clear()
            await self._work.wait()

    def _frame(self) -> contract.WorkRequest:
        frame: list[contract.Settlement] = []
        size = 0
        while self._settlements and size < _MAX_FRAME_BYTES:
            settlement = self._settlements.popleft()
            size += settlement.ByteSize()
            frame.append(settlement)
        return contract.WorkRequest(settlements=contract.Settlements(settlements=frame))

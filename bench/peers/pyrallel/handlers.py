"""
The handlers: what the task asks to be done for a message, written down in the ledger and counted. An asynchronous one for
the consumer's engine on asyncio, a blocking one for its engine of processes.
"""

from __future__ import annotations

import asyncio
import time

from ledger import MESSAGE, Ledger
from progress import Progress
from pyrallel_consumer.dto import WorkItem
from task import Work


def _touch(item: WorkItem) -> int:
    # In the order of partitions the key of an item is the partition's number, and the message's key is not handed over.
    key = item.key if isinstance(item.key, bytes) else b""
    return sum(key) + sum(item.payload)


def _spin(micros: int) -> None:
    """Burns its thread's CPU, not the wall's time: processes that share a core would count each other's as work."""
    end = time.thread_time_ns() + micros * 1000
    while time.thread_time_ns() < end:
        pass


class Handlers:
    def __init__(self, work: Work, ledger: Ledger | None, progress: Progress) -> None:
        self._work = work
        self._ledger = ledger
        self._progress = progress

    async def asynchronous(self, item: WorkItem) -> None:
        self._start(item)
        if self._work.kind == "wait":
            await asyncio.sleep(self._work.micros / 1e6)
        elif self._work.kind == "stall":
            await self._stall(item)
        else:
            self._compute(item)
        self._end(item)

    def blocking(self, item: WorkItem) -> None:
        self._start(item)
        if self._work.kind == "wait":
            time.sleep(self._work.micros / 1e6)
        else:
            self._compute(item)
        self._end(item)

    async def _stall(self, item: WorkItem) -> None:
        key, _sequence = MESSAGE.unpack_from(item.payload)
        if key < self._work.keys:
            await asyncio.Event().wait()

    def _compute(self, item: WorkItem) -> None:
        if self._work.kind == "touch":
            _touch(item)
        elif self._work.kind == "spin":
            _spin(self._work.micros)

    def _start(self, item: WorkItem) -> None:
        self._progress.start()
        if self._ledger is not None:
            self._ledger.started(item.payload)

    def _end(self, item: WorkItem) -> None:
        if self._ledger is not None:
            self._ledger.ended(item.payload)
        self._progress.end()

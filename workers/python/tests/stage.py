"""How tests play a case: on an event loop of its own, for as long as their patience lasts, with workers for the host."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from host import Host
from laneway_worker import Context, Message, Worker

T = TypeVar("T")
PATIENCE_S = 30


def play(case: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(case, PATIENCE_S))


async def nothing(message: Message, context: Context) -> None: ...


def worker_of(host: Host, **options: Any) -> Worker:
    """A worker with one handler, which does nothing where a test does not say; no signal is its own."""
    given = {"address": host.address, "drain_on": (), "reconnect": (0, 0.01), **options}
    return Worker(given.pop("handlers", {"work": nothing}), **given)

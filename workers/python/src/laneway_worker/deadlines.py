"""Ends leases at their deadlines. One timer, for the earliest, serves all: it is set again only where an earlier one comes,
and looks through all runs when it fires; there are no more of them than the worker has credits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection

from laneway_worker.host_clock import worker_time_ms
from laneway_worker.run import Run

_MAX_DELAY_S = 86_400.0


class Deadlines:
    def __init__(self, runs: Collection[Run]) -> None:
        self._runs = runs
        self._timer: asyncio.TimerHandle | None = None
        self._due_at_ms = math.inf

    def watch(self, run: Run) -> None:
        if run.deadline_ms < self._due_at_ms:
            self._wake_at(run.deadline_ms)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wake_at(self, due_at_ms: float) -> None:
        self.stop()
        self._due_at_ms = due_at_ms
        delay = max((due_at_ms - worker_time_ms()) / 1000, 0.0)
        self._timer = asyncio.get_running_loop().call_later(min(delay, _MAX_DELAY_S), self._expire_what_is_due)

    def _expire_what_is_due(self) -> None:
        self._due_at_ms = math.inf
        now = worker_time_ms()
        following = math.inf
        for run in list(self._runs):
            if run.deadline_ms <= now:
                run.expire()
            else:
                following = min(following, run.deadline_ms)
        if following < math.inf:
            self._wake_at(following)

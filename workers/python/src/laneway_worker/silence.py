"""Notices that the host has answered nothing for too long. The time counts from when the worker sent what was answered, so
that a host which is cut off knows when the worker has noticed. An answer is only written down; the timer looks at that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from laneway_worker.host_clock import worker_time_ms

_GRACE_S = 0.1
"""Where a handler kept the event loop, what has come meanwhile is still to be read: that is first, in the time that is left."""


class SilenceWatch:
    def __init__(self, most_s: float, on_silence: Callable[[], None]) -> None:
        """most_s: how long it may take from now on."""
        self._most_s = most_s
        self._on_silence = on_silence
        self._sent_at_ms = worker_time_ms()
        self._timer = self._wake()

    def answered(self, sent_at_ms: float) -> None:
        """What was sent then, by the worker's clock."""
        self._sent_at_ms = sent_at_ms

    def allow(self, most_s: float) -> None:
        """It may take so long from now on."""
        self.stop()
        self._most_s = most_s
        self._timer = self._wake()

    def stop(self) -> None:
        self._timer.cancel()

    def _wake(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(max(self._left() - _GRACE_S, 0.0), self._look)

    def _look(self) -> None:
        left = self._left()
        if left > _GRACE_S:
            self._timer = self._wake()
        else:
            self._timer = asyncio.get_running_loop().call_later(max(left, 0.0), self._judge)

    def _judge(self) -> None:
        if self._left() > 0:
            self._timer = self._wake()
        else:
            self._on_silence()

    @property
    def due_at_ms(self) -> float:
        """When it has been too long, by the worker's clock, unless an answer comes."""
        return self._sent_at_ms + self._most_s * 1000

    def _left(self) -> float:
        return (self.due_at_ms - worker_time_ms()) / 1000

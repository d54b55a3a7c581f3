"""Notices that the host has been silent for too long. What comes only writes down when it came; the timer looks at that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_GRACE_S = 0.1
"""Where a handler kept the event loop, what has come meanwhile is still to be read: that is first."""


class SilenceWatch:
    def __init__(self, most_s: float, on_silence: Callable[[], None]) -> None:
        self._most_s = most_s
        self._on_silence = on_silence
        self._heard_at = time.monotonic()
        self._timer = self._wake_in(most_s)

    def heard(self) -> None:
        self._heard_at = time.monotonic()

    def allow(self, most_s: float) -> None:
        """It has just been heard, and may be silent for so long from now on."""
        self.stop()
        self._most_s = most_s
        self.heard()
        self._timer = self._wake_in(most_s)

    def stop(self) -> None:
        self._timer.cancel()

    def _wake_in(self, delay: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        left = self._left()
        if left > 0:
            self._timer = self._wake_in(left)
        else:
            self._timer = asyncio.get_running_loop().call_later(_GRACE_S, self._judge)

    def _judge(self) -> None:
        left = self._left()
        if left > 0:
            self._timer = self._wake_in(left)
        else:
            self._on_silence()

    def _left(self) -> float:
        return self._heard_at + self._most_s - time.monotonic()

"""The host's clock as the worker knows it, by the rule of HeartbeatReply: an offset which is never so small that a deadline
would be taken for a later one than it is. Only the newest one counts, because the two clocks drift apart.
"""

from __future__ import annotations

import math
import time


def worker_time_ms() -> float:
    """The worker's own clock: monotonic, in ms."""
    return time.monotonic() * 1000


class HostClock:
    def __init__(self) -> None:
        self._offset_ms = math.inf

    def read(self, sent_at_ms: float, host_time_ms: float) -> None:
        """The host's clock showed `host_time_ms` at a moment after the worker's showed `sent_at_ms`."""
        self._offset_ms = host_time_ms - sent_at_ms

    def to_worker_time(self, host_time_ms: float) -> float:
        """A time of the host's by the worker's clock, or a little earlier; in the past while nothing was read."""
        return host_time_ms - self._offset_ms

"""
How far a run is: counted where handlers run, looked at where the consumer runs. The counts lie in shared memory, because
these may be different processes.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import Any


class Progress:
    def __init__(self, messages: int, lock: AbstractContextManager[Any]) -> None:
        """The lock is held for every count; one process with one thread needs none."""
        self._messages = messages
        self._lock = lock
        self._counts = RawArray("q", 2)
        self._first_at = RawValue("d", 0.0)
        self._last_at = RawValue("d", 0.0)

    def start(self) -> None:
        with self._lock:
            self._counts[0] += 1
            if self._counts[0] == 1:
                self._first_at.value = time.monotonic()
                print('{"event":"first-message"}', flush=True)

    def end(self) -> None:
        with self._lock:
            self._counts[1] += 1
            if self._counts[1] == self._messages:
                self._last_at.value = time.monotonic()

    @property
    def ended(self) -> int:
        return self._counts[1]

    @property
    def is_done(self) -> bool:
        """Whether the last handler has ended."""
        return self._last_at.value > 0

    @property
    def first_at(self) -> float:
        """On the monotonic clock, which is the same in every process."""
        return self._first_at.value

    @property
    def last_at(self) -> float:
        return self._last_at.value

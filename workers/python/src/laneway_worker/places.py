"""The places in which handlers run: `concurrency` of them, for all sessions of a worker together, because a handler that
outlives its session still takes one. Runs that have none wait, the oldest first.
"""

from __future__ import annotations

from typing import Protocol


class Placed(Protocol):
    def proceed(self) -> None:
        """It has a place now."""


class Places:
    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._is_filling = False
        # A dict keeps the order in which they came, and forgets one of them at once.
        self._waiting: dict[Placed, None] = {}

    @property
    def taken(self) -> int:
        return self._taken

    def offer(self, run: Placed) -> None:
        """It proceeds as soon as there is a place."""
        self._waiting[run] = None
        self._fill()

    def withdraw(self, run: Placed) -> bool:
        """It waits no longer; False where it did not."""
        if run not in self._waiting:
            return False
        del self._waiting[run]
        return True

    def leave(self) -> None:
        """A place is free."""
        self._taken -= 1
        self._fill()

    def _fill(self) -> None:
        # A run that is over at once leaves inside of proceed(): the loop goes on, one call deep.
        if self._is_filling:
            return
        self._is_filling = True
        while self._waiting and self._taken < self._most:
            run = next(iter(self._waiting))
            del self._waiting[run]
            self._taken += 1
            run.proceed()
        self._is_filling = False

"""How long to wait before a host is dialled again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Exponential, with full jitter: evenly from 0 to a bound that doubles from `initial` up to `max`, in seconds."""

    initial: float = 0.1
    max: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.initial <= self.max:
            raise ValueError("reconnect: must be two numbers of seconds, the first delay's bound and the greatest")

    def delay(self, failures: int) -> float:
        """The delay after so many failures in a row, at least 1."""
        # More doublings than these reach any greatest delay.
        return random.uniform(0, min(self.max, self.initial * 2 ** min(failures - 1, 60)))

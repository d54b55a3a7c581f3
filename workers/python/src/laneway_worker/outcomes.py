"""What a handler raises to say what becomes of its message, whatever the host's retry policy says."""

from __future__ import annotations


class Outcome(Exception):
    """Handlers raise one of the four classes below."""


class Retry(Outcome):
    """The attempt failed, and is repeated after `delay` seconds, also where the policy would give up."""

    def __init__(self, delay: float) -> None:
        if not delay >= 0:
            raise ValueError(f"delay: must be at least 0 seconds, not {delay!r}")
        super().__init__(f"to be tried again in {delay} s")
        self.delay = delay


class Drop(Outcome):
    """The message is settled without having been handled; counted by `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DeadLetter(Outcome):
    """The message goes to the dead-letter topic now. Where there is none, the host's option `onExhausted` decides."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fatal(Outcome):
    """The host's consumer stops. The message is not settled."""

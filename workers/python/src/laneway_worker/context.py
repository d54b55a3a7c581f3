"""What a handler is told besides its message, and what it sends."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from laneway_worker._contract import worker_pb2 as contract

_MAX_INT32 = 2**31 - 1
_MAX_INT64 = 2**63 - 1


class LeaseLost(Exception):
    """A handler went on with a message that is not its own any more."""


class NotTransactional(Exception):
    """A handler sends, and its host has no transactions."""


class Context:
    """One attempt of one message. Coroutines are cancelled with `asyncio.CancelledError`; plain functions look at
    `cancelled`, because a thread cannot be stopped from outside.
    """

    __slots__ = (
        "_is_lost",
        "_outputs",
        "_takes_outputs",
        "attempt",
        "cancelled",
        "deadline",
        "first_failed_at",
        "metadata",
    )

    def __init__(
        self,
        *,
        attempt: int,
        first_failed_at: int | None,
        deadline: float,
        metadata: Mapping[str, str],
        takes_outputs: bool,
    ) -> None:
        self.attempt = attempt
        """1 for the first."""
        self.first_failed_at = first_failed_at
        """When the first attempt failed, in ms since the epoch; None where none has."""
        self.deadline = deadline
        """When the lease ends, by `time.monotonic()`: never later than the host's clock says."""
        self.metadata = metadata
        """What the host has added to the message."""
        self.cancelled = threading.Event()
        """Set when the handler is to end: its lease has ended, the host has cancelled it or is lost, or the worker ends."""
        self._outputs: list[contract.Output] = []
        self._takes_outputs = takes_outputs
        self._is_lost = False

    @property
    def traceparent(self) -> str | None:
        """W3C Trace Context of the message, where it has one."""
        return self.metadata.get("traceparent")

    @property
    def tracestate(self) -> str | None:
        return self.metadata.get("tracestate")

    def remaining(self) -> float:
        """Seconds until the lease ends; 0 when it has."""
        return max(self.deadline - time.monotonic(), 0.0)

    def send(
        self,
        topic: str,
        value: bytes | str | None = None,
        key: bytes | str | None = None,
        *,
        headers: Sequence[tuple[str, bytes | str | None]] = (),
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Produces a record exactly once: it becomes visible in the transaction that settles this message, and not at
        all when this attempt fails. Only where the host has the option `transactional`. Text is UTF-8; `timestamp` is in ms
        since the epoch (default: now); without a `partition` the key decides.

        Raises NotTransactional; LeaseLost where the handler has ended or its host is lost; ValueError or TypeError for an
        impossible record.
        """
        if not isinstance(topic, str) or topic == "":
            raise ValueError("topic: must be a name")
        output = contract.Output(
            topic=topic,
            key=_bytes("key", key),
            value=_bytes("value", value),
            headers=[contract.Header(name=name, value=_bytes(f"header {name}", each)) for name, each in headers],
            partition=_whole("partition", partition, _MAX_INT32),
            timestamp_ms=_whole("timestamp", timestamp, _MAX_INT64),
        )
        if self._is_lost:
            raise LeaseLost("the handler of this message has ended, or its host is lost")
        if not self._takes_outputs:
            raise NotTransactional("the host has no option transactional")
        self._outputs.append(output)

    def _lose(self) -> list[contract.Output]:
        """Nothing can be sent from here on. Returns what was."""
        self._is_lost = True
        return self._outputs


def _bytes(field: str, value: bytes | str | None) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"{field}: must be bytes, text or None, not {type(value).__name__}")


def _whole(field: str, value: int | None, most: int) -> int | None:
    if value is None or (isinstance(value, int) and 0 <= value <= most):
        return value
    raise ValueError(f"{field}: must be a whole number from 0 to {most}, not {value!r}")

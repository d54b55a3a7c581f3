"""A message as a handler sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from laneway_worker._contract import worker_pb2 as contract

Header: TypeAlias = tuple[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch; -1 where the record has none."""
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    headers: Sequence[Header]
    """In the record's order; names may repeat."""


def message_from(topic: str, partition: int, message: contract.Message) -> Message:
    return Message(
        topic=topic,
        partition=partition,
        offset=message.offset,
        timestamp=message.timestamp_ms,
        key=message.key if message.HasField("key") else None,
        value=message.value if message.HasField("value") else None,
        headers=[(each.name, each.value if each.HasField("value") else None) for each in message.headers],
    )

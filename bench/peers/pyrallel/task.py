"""What a run has to do: the JSON argument that the harness gives to every contestant (bench/contestants/task.ts)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

WORK_KINDS = ("none", "touch", "wait", "spin", "stall")


@dataclass(frozen=True)
class Work:
    """What a handler does with its message."""

    kind: Literal["none", "touch", "wait", "spin", "stall"]
    micros: int = 0
    # Handlers for messages of the first of them never end.
    keys: int = 0

    def __post_init__(self) -> None:
        if self.kind not in WORK_KINDS:
            raise ValueError(f"work is one of {', '.join(WORK_KINDS)}, not {self.kind!r}")


@dataclass(frozen=True)
class Task:
    brokers: str
    topic: str
    group: str
    messages: int
    properties: dict[str, str]
    work: Work
    concurrency: int
    ledger: str | None
    flush: Literal["end", "each"]
    deadline_seconds: float

    @staticmethod
    def parse(text: str) -> Task:
        """Raises KeyError for a field that is missing."""
        value: dict[str, Any] = json.loads(text)
        return Task(
            brokers=value["brokers"],
            topic=value["topic"],
            group=value["group"],
            messages=value["messages"],
            properties=value["properties"],
            work=Work(**value["work"]),
            concurrency=value["concurrency"],
            ledger=value.get("ledger"),
            flush=value["flush"],
            deadline_seconds=value["deadlineMs"] / 1000,
        )

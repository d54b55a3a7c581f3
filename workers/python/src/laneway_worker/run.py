"""A run of leases: messages of one lane, handled one after the other. Its first lease that has not ended is its head. Where
the head does not end as completed, the later ones are the host's again (rule 2 of the contract).

A run waits for a place, runs, or is over. It answers for its head once, and only when the head's handler has really ended;
one whose session has ended answers nothing, but keeps its place for as long as its handler runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from laneway_worker._contract import worker_pb2 as contract
from laneway_worker.answers import CANCELLED, DEADLINE_EXCEEDED, completed, cut_short, failed, released
from laneway_worker.context import Context
from laneway_worker.handlers import Handlers, wrong_result
from laneway_worker.host_clock import worker_time_ms
from laneway_worker.message import message_from
from laneway_worker.places import Places

HANDLER_UNKNOWN = "HANDLER_UNKNOWN"


class Lessor(Protocol):
    """The session that a run came in."""

    @property
    def is_draining(self) -> bool:
        """Nothing new starts."""

    @property
    def takes_outputs(self) -> bool:
        """Handlers may send."""

    @property
    def starts_until_ms(self) -> float:
        """By the worker's clock: from then on nothing is started, because the host may be lost."""

    @property
    def attempt_timeout_ms(self) -> float:
        """How long a handler may run, whatever its lease says."""

    def deadline_of(self, lease: contract.Lease) -> float:
        """By the worker's clock, when the lease ends."""

    def settle(self, lease: contract.Lease, answer: contract.Settlement) -> None: ...

    def moved(self, run: Run) -> None:
        """The deadline of its head is another one."""

    def over(self, run: Run) -> None:
        """None of its leases is the worker's any more."""


class Run:
    def __init__(self, lessor: Lessor, places: Places, handlers: Handlers, handler: str, run: contract.Run) -> None:
        self._lessor = lessor
        self._places = places
        self._handlers = handlers
        self._handler = handler
        self._topic = run.topic
        self._partition = run.partition
        self._leases: Sequence[contract.Lease] = run.leases
        self._index = 0
        self._context: Context | None = None
        self._running: asyncio.Future[Any] | None = None
        # Why the head's handler is to end: a code and a reason.
        self._cut: tuple[str, str] | None = None
        # Not to be started any more.
        self._cancelled: set[int] = set()
        self._is_over = False
        self.deadline_ms = lessor.deadline_of(self._head)
        """When the head's lease ends, or the time of its handler, by the worker's clock."""

    @property
    def _head(self) -> contract.Lease:
        return self._leases[self._index]

    def proceed(self) -> None:
        """In its place: begins the head's handler, or gives the head back."""
        if self._is_over:
            self._places.leave()
        elif not self._may_start():
            self._give_back()
            self._places.leave()
        elif self._handler not in self._handlers:
            reason = f"this worker has no handler {self._handler!r}"
            self._end(cut_short(HANDLER_UNKNOWN, reason))
        else:
            self._begin()

    def release_if_waiting(self) -> None:
        """Gives back what has not started, where nothing of it runs."""
        if self._places.withdraw(self):
            self._give_back()

    def cancel_leases(self, leases: Collection[int], reason: str) -> None:
        """The host wants these leases no longer to be handled; those that are not this run's are ignored."""
        self._cancelled.update(lease.id for lease in self._leases if lease.id in leases)
        if self._head.id in leases:
            self.cancel(CANCELLED, reason)

    def cancel(self, code: str, reason: str) -> None:
        """The head's handler is to end now; where it has not started, it is given back. The first reason counts."""
        if self._running is None:
            self.release_if_waiting()
        elif self._cut is None:
            self._cut = (code, reason)
            self._interrupt(reason)

    def expire(self) -> None:
        """The lease of the head has ended."""
        self.cancel(DEADLINE_EXCEEDED, "the handler ran past the deadline of its lease")

    def forget(self, reason: str) -> None:
        """The host is lost, and the leases with it."""
        self._is_over = True
        self._places.withdraw(self)
        if self._context is not None:
            self._context._lose()
            self._interrupt(reason)

    def _interrupt(self, reason: str) -> None:
        if self._context is not None:
            self._context.cancelled.set()
        # A thread goes on, whatever is done to the future that waits for it.
        if isinstance(self._running, asyncio.Task):
            self._running.cancel(reason)

    def _may_start(self) -> bool:
        if self._lessor.is_draining or self._head.id in self._cancelled:
            return False
        return worker_time_ms() < min(self.deadline_ms, self._lessor.starts_until_ms)

    def _begin(self) -> None:
        lease = self._head
        self.deadline_ms = min(self.deadline_ms, worker_time_ms() + self._lessor.attempt_timeout_ms)
        self._lessor.moved(self)
        self._context = Context(
            attempt=lease.attempt,
            first_failed_at=lease.first_failed_at_ms if lease.HasField("first_failed_at_ms") else None,
            deadline=self.deadline_ms / 1000,
            metadata=lease.message.metadata,
            takes_outputs=self._lessor.takes_outputs,
        )
        message = message_from(self._topic, self._partition, lease.message)
        try:
            self._running = self._handlers.begin(self._handler, message, self._context)
        except Exception as error:
            # It does not take what a handler is given.
            self._context = None
            return self._end(failed(error))
        self._running.add_done_callback(self._ended)

    def _ended(self, done: asyncio.Future[Any]) -> None:
        outputs = self._context._lose() if self._context is not None else []
        if worker_time_ms() >= self.deadline_ms:
            # The timer has not fired yet, because the event loop was kept.
            self.expire()
        cut = self._cut
        self._context = self._running = self._cut = None
        if cut is not None and (cut[0] == DEADLINE_EXCEEDED or done.cancelled()):
            return self._end(cut_short(*cut))
        if done.cancelled():
            return self._end(failed(asyncio.CancelledError("the handler has cancelled itself")))
        error = done.exception() or wrong_result(done.result())
        if error is not None:
            self._end(failed(error))
        elif cut is not None and self._head.id in self._cancelled:
            # What the host has cancelled is not completed, whatever its handler says.
            self._end(cut_short(*cut))
        else:
            self._end(completed(outputs))

    def _end(self, answer: contract.Settlement) -> None:
        """The head has ended."""
        if self._is_over:
            self._places.leave()
            return
        self._lessor.settle(self._head, answer)
        if answer.status != contract.STATUS_COMPLETED or self._index + 1 == len(self._leases):
            self._finish()
            self._places.leave()
            return
        self._index += 1
        self.deadline_ms = self._lessor.deadline_of(self._head)
        self._lessor.moved(self)
        self.proceed()

    def _give_back(self) -> None:
        self._lessor.settle(self._head, released())
        self._finish()

    def _finish(self) -> None:
        self._is_over = True
        self._lessor.over(self)

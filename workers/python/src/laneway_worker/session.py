"""One stream to the host: its hello, its heartbeats, the leases that came in it, and its end. What a session holds is lost
with it; the worker then opens another one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import grpc

from laneway_worker import _contract
from laneway_worker._contract import worker_pb2 as contract
from laneway_worker.deadlines import Deadlines
from laneway_worker.handlers import Handlers
from laneway_worker.host_clock import HostClock, worker_time_ms
from laneway_worker.outbox import Outbox
from laneway_worker.places import Places
from laneway_worker.run import Run
from laneway_worker.silence import SilenceWatch

_WELCOME_TIMEOUT_S = 20.0
"""How long a connection and the Welcome may take."""
_CLOSE_TIMEOUT_S = 5.0
"""How long the host may take to end a stream that the worker has closed."""

WorkCall: TypeAlias = "grpc.aio.StreamStreamCall[contract.WorkRequest, contract.WorkResponse]"


def open_call(channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> WorkCall:
    work: grpc.aio.StreamStreamMultiCallable[contract.WorkRequest, contract.WorkResponse] = channel.stream_stream(
        _contract.WORK,
        request_serializer=contract.WorkRequest.SerializeToString,
        response_deserializer=contract.WorkResponse.FromString,
    )
    return work(metadata=metadata)


@dataclass(frozen=True)
class SessionEnd:
    code: grpc.StatusCode
    reason: str
    was_welcome: bool
    """It had begun."""


class Session:
    def __init__(
        self,
        call: WorkCall,
        *,
        hello: contract.Hello,
        handlers: Handlers,
        places: Places,
        on_welcome: Callable[[str], None],
    ) -> None:
        self._call = call
        self._hello = hello
        self._handlers = handlers
        self._places = places
        self._on_welcome = on_welcome
        self._clock = HostClock()
        self._runs: dict[Run, None] = {}
        self._deadlines = Deadlines(self._runs.keys())
        self._outbox = Outbox(self._write)
        self._silence: SilenceWatch | None = None
        self._heartbeats: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._takes_outputs = False
        self._attempt_timeout_ms = math.inf
        self._is_welcome = False
        self._is_draining = False
        self._is_closed = False
        self._is_over = False
        # Why this side has ended the stream, where it has.
        self._given_up: str | None = None

    async def run(self) -> SessionEnd:
        """From the hello to the end of the stream, whoever ended it."""
        self._silence = SilenceWatch(_WELCOME_TIMEOUT_S, self._on_silence)
        self._hello.sent_at_ms = worker_time_ms()
        self._outbox.post(contract.WorkRequest(hello=self._hello))
        writing = asyncio.create_task(self._write_all())
        try:
            await self._read_all()
            code, details = await self._call.code(), await self._call.details()
            return SessionEnd(code, self._given_up or details or "the host has ended the stream", self._is_welcome)
        finally:
            self._end()
            writing.cancel()
            self._call.cancel()

    @property
    def is_draining(self) -> bool:
        return self._is_draining

    @property
    def takes_outputs(self) -> bool:
        return self._takes_outputs

    @property
    def starts_until_ms(self) -> float:
        return -math.inf if self._silence is None else self._silence.due_at_ms

    @property
    def attempt_timeout_ms(self) -> float:
        return self._attempt_timeout_ms

    def deadline_of(self, lease: contract.Lease) -> float:
        return self._clock.to_worker_time(lease.deadline_ms)

    def settle(self, lease: contract.Lease, answer: contract.Settlement) -> None:
        answer.lease = lease.id
        self._outbox.settle(answer)

    def moved(self, run: Run) -> None:
        self._deadlines.watch(run)

    def over(self, run: Run) -> None:
        self._runs.pop(run, None)
        self._close_when_drained()

    def drain(self, reason: str) -> None:
        """Tells the host that this worker wants to end; the stream is closed when nothing is left."""
        if not self._is_draining:
            self._outbox.post(contract.WorkRequest(drain=contract.Drain(reason=reason)))
            self._begin_drain()

    def cancel(self, code: str, reason: str) -> None:
        """All handlers are to end now."""
        for run in list(self._runs):
            run.cancel(code, reason)

    def close(self) -> None:
        """Tells what is settled, and closes the stream. What is still held is lost to the host."""
        if self._is_closed or self._is_over:
            return
        self._is_closed = True
        self._outbox.close()
        self._closing = asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT_S, self._call.cancel)

    async def _write(self, request: contract.WorkRequest) -> None:
        await self._call.write(request)

    async def _write_all(self) -> None:
        try:
            await self._outbox.run()
            await self._call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The stream has ended, which the reading side tells with the reason.
            return

    async def _read_all(self) -> None:
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                assert isinstance(response, contract.WorkResponse)
                self._on_response(response)
        except grpc.RpcError:
            return
        except asyncio.CancelledError:
            # Of the call, which this worker has given up; else of the task, which must end.
            if not self._call.cancelled():
                raise

    def _on_response(self, response: contract.WorkResponse) -> None:
        match response.WhichOneof("kind"):
            case "welcome":
                self._welcomed(response.welcome)
            case "leases":
                self._on_leases(response.leases)
            case "heartbeat_reply":
                self._answered(response.heartbeat_reply)
            case "cancel":
                self._on_cancel(response.cancel)
            case "drain":
                self._begin_drain()
            case _:
                # Of a later version of the contract.
                pass

    def _welcomed(self, welcome: contract.Welcome) -> None:
        if self._is_welcome:
            return
        self._is_welcome = True
        self._takes_outputs = _contract.OUTPUTS in welcome.capabilities
        self._attempt_timeout_ms = welcome.attempt_timeout_ms or math.inf
        self._answered(welcome)
        if self._silence is not None:
            self._silence.allow(welcome.heartbeat_timeout_ms / 1000)
        self._heartbeat_after(welcome.heartbeat_interval_ms / 1000)
        self._on_welcome(welcome.session)

    def _answered(self, reply: contract.HeartbeatReply | contract.Welcome) -> None:
        self._clock.read(reply.sent_at_ms, reply.host_time_ms)
        if self._silence is not None:
            self._silence.answered(reply.sent_at_ms)

    def _heartbeat_after(self, interval: float) -> None:
        def beat() -> None:
            self._outbox.post(contract.WorkRequest(heartbeat=contract.Heartbeat(sent_at_ms=worker_time_ms())))
            self._heartbeat_after(interval)

        self._heartbeats = asyncio.get_running_loop().call_later(interval, beat)

    def _on_leases(self, leases: contract.Leases) -> None:
        for each in leases.runs:
            if not each.leases:
                continue
            run = Run(self, self._places, self._handlers, leases.handler, each)
            self._runs[run] = None
            self._deadlines.watch(run)
            self._places.offer(run)
            # They were on their way when the drain began.
            if self._is_draining:
                run.release_if_waiting()

    def _on_cancel(self, cancel: contract.Cancel) -> None:
        leases = frozenset(cancel.leases)
        for run in list(self._runs):
            run.cancel_leases(leases, f"the host has cancelled the handler: {cancel.reason}")

    def _begin_drain(self) -> None:
        self._is_draining = True
        for run in list(self._runs):
            run.release_if_waiting()
        self._close_when_drained()

    def _close_when_drained(self) -> None:
        if self._is_draining and not self._runs:
            self.close()

    def _on_silence(self) -> None:
        self._given_up = (
            "the host has answered no heartbeat for too long" if self._is_welcome else "the host did not answer"
        )
        self._end()
        self._call.cancel()

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        for timer in (self._silence, self._heartbeats, self._closing):
            if isinstance(timer, SilenceWatch):
                timer.stop()
            elif timer is not None:
                timer.cancel()
        self._deadlines.stop()
        for run in list(self._runs):
            run.forget("the host is lost")

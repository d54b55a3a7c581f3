"""Worker: dials a laneway host, runs handlers for it, and dials again when the host is lost. One session follows the other;
handlers that outlive theirs keep their places (places.py).
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import TypeAlias, TypeVar

import grpc

from laneway_worker import _contract
from laneway_worker._contract import worker_pb2 as contract
from laneway_worker.answers import CANCELLED
from laneway_worker.backoff import Backoff
from laneway_worker.credentials import Address, Tls, call_metadata, open_channel
from laneway_worker.handlers import Handler, Handlers
from laneway_worker.places import Places
from laneway_worker.session import Session, SessionEnd, open_call

logger = logging.getLogger("laneway_worker")

_MAX_HELD = 10_000
_UNIX_GIVE_UP_S = 60.0
_CANCEL_GRACE_S = 1.0
"""How long cancelled handlers may take to end before the stream is closed without them."""
_REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)
"""What the host says before its welcome that another attempt cannot change."""

Token: TypeAlias = str | Callable[[], str]
_Number = TypeVar("_Number", int, float)


class WorkerRefused(Exception):
    """The host does not want this worker: its token, its certificate or its handlers; the text says why."""


class HostUnreachable(Exception):
    """The host was not reached for as long as it was to be tried."""


class Worker:
    """A worker of a laneway host.

    handlers: what the worker does, by name; the host says which one it wants. `async def` runs on the event loop and must
        not block it; a plain function runs on a thread of its own.
    address: `unix:/path`, `host:port` or `[host]:port`. Default: the environment variable LANEWAY_WORKER_ADDRESS.
    concurrency: handlers that run at once, 1 to 10,000.
    credits: messages that it holds at most: those that are handled, and those that wait behind them. Fewer are better where
        handlers are slow, because another worker gets the rest. Default: twice the concurrency.
    token: sent as a bearer token, or a function that gives one whenever the worker dials. Default: the environment variable
        LANEWAY_WORKER_TOKEN, or none.
    tls: True trusts the authorities that gRPC knows. Without it only a Unix socket or loopback is dialled, unless `insecure`.
    name: for the host's logs. Default: the name of the machine and the process id.
    max_message_bytes: the largest message (key, value and headers) that it takes; 0: the host's limit.
    drain_timeout: seconds that a drain waits for running handlers before it cancels them.
    drain_on: the signals at which `run()` drains; a second one cancels the handlers at once. () leaves them to the program.
    reconnect: bounds, in seconds, of the delays between attempts to reach the host: the first, and the greatest.
    give_up_after: seconds without a host after which it raises HostUnreachable. Default: a minute on a Unix socket, whose
        host is gone with its machine; else never (math.inf).

    Raises ValueError or TypeError for an option that is impossible; nothing is dialled yet.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        address: str | None = None,
        concurrency: int = 64,
        credits: int | None = None,
        token: Token | None = None,
        tls: Tls | bool = False,
        insecure: bool = False,
        name: str | None = None,
        max_message_bytes: int = 0,
        drain_timeout: float = 25.0,
        drain_on: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
        reconnect: tuple[float, float] = (0.1, 10.0),
        give_up_after: float | None = None,
    ) -> None:
        text = address or os.environ.get("LANEWAY_WORKER_ADDRESS")
        if not text:
            raise ValueError("address: is required, here or as LANEWAY_WORKER_ADDRESS")
        self._address = Address.parse(text)
        self._tls = (Tls() if tls else None) if isinstance(tls, bool) else tls
        self._address.require_secured(self._tls is not None or insecure)
        self._token: Token | None = token or os.environ.get("LANEWAY_WORKER_TOKEN") or None
        concurrency = _held("concurrency", concurrency)
        self._credits = _held("credits", min(2 * concurrency, _MAX_HELD) if credits is None else credits)
        self._handlers = Handlers(handlers, concurrency)
        self._places = Places(concurrency)
        self._name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._max_message_bytes = _at_least_0("max_message_bytes", max_message_bytes)
        self._drain_timeout = _at_least_0("drain_timeout", drain_timeout)
        self._drain_on = tuple(drain_on)
        self._backoff = Backoff(*reconnect)
        default = _UNIX_GIVE_UP_S if self._address.is_unix else math.inf
        self._give_up_after = default if give_up_after is None else _at_least_0("give_up_after", give_up_after)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: Session | None = None
        self._draining: asyncio.Event | None = None
        self._is_drain_wanted = False
        self._host_seen_at = 0.0
        self._failed_dials = 0

    def run(self) -> None:
        """Handles messages until the worker is drained, by `drain()` or by a signal. A host that goes away is dialled again,
        with exponential backoff and jitter.

        Raises WorkerRefused, or HostUnreachable after `give_up_after`.
        """
        asyncio.run(self.serve())

    async def serve(self) -> None:
        """The same, on the event loop that runs already. Signals are its own only on the main thread."""
        if self._loop is not None:
            raise RuntimeError("this worker runs already, or has run")
        self._loop = asyncio.get_running_loop()
        self._draining = asyncio.Event()
        if self._is_drain_wanted:
            self._draining.set()
        for each in self._drain_on:
            self._loop.add_signal_handler(each, self._on_signal, each)
        try:
            await self._serve(self._draining)
        finally:
            for each in self._drain_on:
                self._loop.remove_signal_handler(each)
            self._handlers.close()

    def drain(self) -> None:
        """Takes nothing new, lets what runs end, gives back what has not started, tells the host all of it, and closes the
        stream; `run()` returns then. Handlers that run longer than `drain_timeout` are cancelled. May be called from any
        thread, and again.
        """
        self._is_drain_wanted = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_drain, "the worker is drained")

    def _on_signal(self, which: signal.Signals) -> None:
        if self._draining is not None and self._draining.is_set():
            self._cancel(f"a second signal, {which.name}")
        else:
            self._begin_drain(which.name)

    def _begin_drain(self, reason: str) -> None:
        if self._draining is None or self._draining.is_set() or self._loop is None:
            return
        self._draining.set()
        if self._session is not None:
            self._session.drain(reason)
            self._loop.call_later(self._drain_timeout, self._cancel, "the drain takes too long")

    def _cancel(self, reason: str) -> None:
        """Handlers that end at once are still answered for."""
        if self._session is None or self._loop is None:
            return
        self._session.cancel(CANCELLED, f"the worker ends: {reason}")
        self._loop.call_later(_CANCEL_GRACE_S, self._abandon, self._session)

    def _abandon(self, session: Session) -> None:
        if self._session is session:
            logger.warning("%d handlers did not end in time; their messages come again", self._places.taken)
            session.close()

    async def _serve(self, draining: asyncio.Event) -> None:
        self._host_seen_at = time.monotonic()
        while not draining.is_set():
            end = await self._dial()
            if draining.is_set():
                return
            self._require_hope(end)
            self._failed_dials += 1
            logger.warning("no host at %s: %s: %s; dialling again", self._address.text, end.code.name, end.reason)
            delay = self._backoff.delay(self._failed_dials)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(draining.wait(), delay)

    def _require_hope(self, end: SessionEnd) -> None:
        """Raises where dialling again is of no use."""
        at = self._address.text
        if not end.was_welcome and end.code in _REFUSALS:
            raise WorkerRefused(f"the host at {at} refuses this worker: {end.code.name}: {end.reason}")
        if time.monotonic() - self._host_seen_at >= self._give_up_after:
            raise HostUnreachable(f"no host at {at} for {self._give_up_after} s: {end.reason}")

    async def _dial(self) -> SessionEnd:
        """One session, from its dial to its end."""
        try:
            token = self._token() if callable(self._token) else self._token
        except Exception as error:
            return SessionEnd(grpc.StatusCode.UNAVAILABLE, f"there is no token: {error!r}", was_welcome=False)
        async with open_channel(self._address, self._tls) as channel:
            self._session = Session(
                open_call(channel, call_metadata(token)),
                hello=self._hello(),
                handlers=self._handlers,
                places=self._places,
                on_welcome=self._welcomed,
            )
            try:
                end = await self._session.run()
            finally:
                self._session = None
        if end.was_welcome:
            self._host_seen_at = time.monotonic()
        return end

    def _hello(self) -> contract.Hello:
        return contract.Hello(
            contract_version=_contract.VERSION,
            capabilities=[_contract.ANSWERED_HEARTBEATS],
            worker=self._name,
            sdk=f"laneway-python/{version('laneway-worker')}",
            handlers=self._handlers.names,
            credits=self._credits,
            max_message_bytes=self._max_message_bytes,
        )

    def _welcomed(self, session: str) -> None:
        self._failed_dials = 0
        logger.info("host at %s reached, session %s", self._address.text, session)


def _held(option: str, value: int) -> int:
    if isinstance(value, int) and 1 <= value <= _MAX_HELD:
        return value
    raise ValueError(f"{option}: must be a whole number from 1 to {_MAX_HELD}, not {value!r}")


def _at_least_0(option: str, value: _Number) -> _Number:
    if value >= 0:
        return value
    raise ValueError(f"{option}: must be at least 0, not {value!r}")

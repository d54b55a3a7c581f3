"""serve_function(): who may call, for how long a call may run, how many at once, and how the server ends."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from calls import call
from laneway_worker import Context, Message, serve_function
from stage import nothing, play

LISTEN = "127.0.0.1:0"
OK = grpc.StatusCode.OK


class Gate:
    """A handler that says when it has started, and waits for a word."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, message: Message, context: Context) -> None:
        self.started.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def test_a_token_is_asked_for_where_there_is_one() -> None:
    async def case() -> None:
        server = await serve_function({"work": nothing}, listen=LISTEN, token="secret")
        assert await call(server.address, token="secret") == OK
        for token in ("", "Secret", "secrets"):
            assert await call(server.address, token=token) == grpc.StatusCode.UNAUTHENTICATED
        await server.close()

    play(case())


def test_an_unknown_handler_is_refused() -> None:
    async def case() -> None:
        server = await serve_function({"other": nothing}, listen=LISTEN)
        assert await call(server.address) == grpc.StatusCode.NOT_FOUND
        await server.close()

    play(case())


def test_the_end_of_a_calls_time_cancels_its_handler() -> None:
    async def case() -> None:
        gate = Gate()
        server = await serve_function({"work": gate.__call__}, listen=LISTEN)
        assert await call(server.address, timeout=0.3) != OK
        await gate.cancelled.wait()
        await server.close()

    play(case())


def test_above_its_concurrency_calls_are_refused_and_taken_again_when_one_has_ended() -> None:
    async def case() -> None:
        gate = Gate()
        server = await serve_function({"work": gate.__call__}, listen=LISTEN, concurrency=1)
        first = asyncio.create_task(call(server.address))
        await gate.started.wait()
        assert await call(server.address) == grpc.StatusCode.RESOURCE_EXHAUSTED
        gate.may_end.set()
        assert await first == OK
        assert await call(server.address) == OK
        await server.close()

    play(case())


@pytest.mark.parametrize("ends", [True, False])
def test_close_lets_calls_end_and_cancels_what_takes_longer_than_its_grace(ends: bool) -> None:
    async def case() -> None:
        gate = Gate()
        server = await serve_function({"work": gate.__call__}, listen=LISTEN)
        running = asyncio.create_task(call(server.address))
        await gate.started.wait()
        closing = asyncio.create_task(server.close(20 if ends else 0))
        if ends:
            gate.may_end.set()
        assert (await running == OK) is ends
        await closing
        await server.wait()
        assert gate.cancelled.is_set() is not ends

    play(case())


def test_an_address_that_is_taken_is_an_error() -> None:
    async def case() -> None:
        server = await serve_function({"work": nothing}, listen=LISTEN)
        with pytest.raises(RuntimeError):
            await serve_function({"work": nothing}, listen=server.address)
        await server.close()

    play(case())

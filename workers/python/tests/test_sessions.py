"""How a worker finds its host, greets it, loses it and gives it up, and what signals do."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import grpc
import pytest

from host import listening
from laneway_worker import Context, HostUnreachable, Message, Worker, WorkerRefused
from laneway_worker._contract import worker_pb2 as contract
from stage import nothing, play, worker_of

NEVER_S = 1e6
SIGNAL = signal.SIGUSR2


def test_the_hello_says_who_the_worker_is_what_it_can_do_and_how_much_it_takes(tmp_path: Path) -> None:
    async def case() -> contract.Hello:
        async with listening(tmp_path) as host:
            handlers = {"score": nothing, "rate": nothing}
            worker = worker_of(
                host, handlers=handlers, concurrency=2, credits=9, max_message_bytes=1_000, name="scorer"
            )
            running = asyncio.create_task(worker.serve())
            hello = await host.hellos.get()
            worker.drain()
            await running
            return hello

    hello = play(case())
    assert list(hello.handlers) == ["score", "rate"]
    assert (hello.contract_version, hello.worker, hello.credits, hello.max_message_bytes) == (1, "scorer", 9, 1_000)
    assert hello.sdk.startswith("laneway-python/")


def test_a_host_that_is_never_there_is_given_up(tmp_path: Path) -> None:
    worker = Worker({"work": nothing}, address=f"unix:{tmp_path / 'nobody.sock'}", give_up_after=0.1, drain_on=())
    with pytest.raises(HostUnreachable, match=r"nobody\.sock"):
        play(worker.serve())


def test_the_time_to_give_up_begins_when_the_host_is_lost_not_when_the_worker_is_started(tmp_path: Path) -> None:
    give_up_after = 0.3

    async def case() -> None:
        async with listening(tmp_path) as host:
            running = asyncio.create_task(worker_of(host, give_up_after=give_up_after).serve())
            await host.hellos.get()
            await asyncio.sleep(give_up_after)
            host.end()
            await host.hellos.get()
            lost_at = time.monotonic()
        with pytest.raises(HostUnreachable):
            await running
        assert time.monotonic() - lost_at >= give_up_after

    play(case())


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
    ],
)
def test_a_refusal_ends_the_worker_with_the_reason(tmp_path: Path, code: grpc.StatusCode) -> None:
    async def case() -> None:
        async with listening(tmp_path) as host:
            host.refusal = code
            await worker_of(host).serve()

    with pytest.raises(WorkerRefused, match=f"{code.name}: not you"):
        play(case())


def test_a_host_that_has_no_room_is_dialled_again(tmp_path: Path) -> None:
    async def case() -> None:
        async with listening(tmp_path) as host:
            host.refusal = grpc.StatusCode.RESOURCE_EXHAUSTED
            worker = worker_of(host)
            running = asyncio.create_task(worker.serve())
            await host.refused.wait()
            host.refusal = None
            await host.hellos.get()
            worker.drain()
            await running

    play(case())


def test_a_function_gives_a_token_for_each_connection_and_where_it_fails_the_worker_dials_again(tmp_path: Path) -> None:
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError("the issuer is busy")
        return f"token-{asked}"

    async def case() -> list[dict[str, str]]:
        async with listening(tmp_path) as host:
            worker = worker_of(host, token=token)
            running = asyncio.create_task(worker.serve())
            await host.hellos.get()
            host.end()
            await host.hellos.get()
            worker.drain()
            await running
            return host.metadata

    assert [each["authorization"] for each in play(case())] == ["Bearer token-1", "Bearer token-3"]


def test_a_token_from_the_environment_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANEWAY_WORKER_TOKEN", "from outside")

    async def case() -> list[dict[str, str]]:
        async with listening(tmp_path) as host:
            worker = worker_of(host)
            running = asyncio.create_task(worker.serve())
            await host.hellos.get()
            worker.drain()
            await running
            return host.metadata

    (shown,) = play(case())
    assert shown["authorization"] == "Bearer from outside"


def test_a_signal_drains_and_a_second_one_cancels_at_once(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def hang(message: Message, context: Context) -> None:
        started.set()
        await asyncio.Event().wait()

    async def case() -> contract.Settlement:
        async with listening(tmp_path) as host:
            worker = worker_of(host, handlers={"work": hang}, drain_timeout=NEVER_S, drain_on=[SIGNAL])
            running = asyncio.create_task(worker.serve())
            host.lease(b"")
            await started.wait()
            os.kill(os.getpid(), SIGNAL)
            await host.drained.wait()
            assert host.settlements.empty()
            os.kill(os.getpid(), SIGNAL)
            settlement = await host.settlements.get()
            await running
            return settlement

    settlement = play(case())
    assert (settlement.status, settlement.error.code) == (contract.STATUS_FAILED, "CANCELLED")
    assert "a second signal, SIGUSR2" in settlement.error.message
    assert signal.getsignal(SIGNAL) is signal.SIG_DFL

"""A worker and its host in one process: what the conformance cases, which see only the wire, do not look at."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from host import listening
from laneway_worker import Context, Message, Worker
from laneway_worker._contract import worker_pb2 as contract
from stage import PATIENCE_S, nothing, play, worker_of


def test_plain_functions_run_on_threads_and_see_the_message(tmp_path: Path) -> None:
    seen: list[tuple[str, Message, int]] = []

    def handle(message: Message, context: Context) -> None:
        seen.append((threading.current_thread().name, message, context.attempt))

    async def case() -> contract.Settlement:
        async with listening(tmp_path) as host:
            worker = worker_of(host, handlers={"work": handle})
            running = asyncio.create_task(worker.serve())
            host.lease(b"v")
            settlement = await host.settlements.get()
            worker.drain()
            await running
            return settlement

    assert play(case()).status == contract.STATUS_COMPLETED
    ((thread, message, attempt),) = seen
    assert thread.startswith("laneway-worker")
    assert (message.topic, message.offset, message.key, message.value, message.timestamp) == ("t", 1, None, b"v", -1)
    assert attempt == 1


def test_a_plain_function_that_returns_an_awaitable_has_not_handled_its_message(tmp_path: Path) -> None:
    async def case() -> contract.Settlement:
        async with listening(tmp_path) as host:
            worker = worker_of(host, handlers={"work": lambda message, context: nothing(message, context)})
            running = asyncio.create_task(worker.serve())
            host.lease(b"")
            settlement = await host.settlements.get()
            worker.drain()
            await running
            return settlement

    settlement = play(case())
    assert settlement.status == contract.STATUS_FAILED
    assert "async def" in settlement.error.message


def test_a_handler_that_takes_other_arguments_is_a_failed_attempt(tmp_path: Path) -> None:
    async def lonely() -> None: ...

    async def case() -> contract.Settlement:
        async with listening(tmp_path) as host:
            worker = worker_of(host, handlers={"work": lonely})
            running = asyncio.create_task(worker.serve())
            host.lease(b"")
            settlement = await host.settlements.get()
            worker.drain()
            await running
            return settlement

    assert play(case()).error.code == "TypeError"


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_drain_that_takes_too_long_cancels_handlers_and_answers_for_them(tmp_path: Path, ends_well: bool) -> None:
    async def case() -> contract.Settlement:
        started = asyncio.Event()

        async def hang(message: Message, context: Context) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not ends_well:
                    raise

        async with listening(tmp_path) as host:
            worker = worker_of(host, handlers={"work": hang}, drain_timeout=0.05)
            running = asyncio.create_task(worker.serve())
            host.lease(b"")
            await started.wait()
            worker.drain()
            await running
            return await host.settlements.get()

    settlement = play(case())
    if ends_well:
        assert settlement.status == contract.STATUS_COMPLETED
    else:
        assert (settlement.status, settlement.error.code) == (contract.STATUS_FAILED, "CANCELLED")


def test_a_drain_ends_without_a_handler_that_does_not(tmp_path: Path) -> None:
    async def case() -> bool:
        started = asyncio.Event()
        hang = True

        async def stubborn(message: Message, context: Context) -> None:
            started.set()
            while hang:
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue

        async with listening(tmp_path) as host:
            worker = worker_of(host, handlers={"work": stubborn}, drain_timeout=0)
            running = asyncio.create_task(worker.serve())
            host.lease(b"")
            await started.wait()
            worker.drain()
            await running
            hang = False
            return host.settlements.empty()

    assert play(case())


def test_drain_from_another_thread_and_before_the_host_is_there(tmp_path: Path) -> None:
    worker = Worker({"work": nothing}, address=f"unix:{tmp_path / 'nobody.sock'}", drain_on=())
    running = threading.Thread(target=worker.run)
    running.start()
    worker.drain()
    running.join(PATIENCE_S)
    assert not running.is_alive()


def test_a_worker_runs_once(tmp_path: Path) -> None:
    worker = Worker({"work": nothing}, address=f"unix:{tmp_path / 'nobody.sock'}", drain_on=())
    worker.drain()
    worker.run()
    with pytest.raises(RuntimeError, match="has run"):
        worker.run()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"handlers": {}}, "handlers"),
        ({"handlers": {"": nothing}}, "handlers"),
        ({"handlers": {"work": 7}}, "handlers"),
        ({"address": "nowhere"}, "address"),
        ({"address": "host:99999"}, "address"),
        ({"address": "host.example:1"}, "tls"),
        ({"concurrency": 0}, "concurrency"),
        ({"credits": 10_001}, "credits"),
        ({"drain_timeout": -1.0}, "drain_timeout"),
        ({"reconnect": (2, 1)}, "reconnect"),
        ({"max_message_bytes": -1}, "max_message_bytes"),
        ({"give_up_after": -1}, "give_up_after"),
    ],
)
def test_an_impossible_option_is_refused_and_named(options: dict[str, Any], named: str) -> None:
    given: dict[str, Any] = {"handlers": {"work": nothing}, "address": "unix:/tmp/host.sock", **options}
    with pytest.raises((ValueError, TypeError), match=f"^{named}:"):
        Worker(**given)


def test_an_address_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANEWAY_WORKER_ADDRESS", raising=False)
    with pytest.raises(ValueError, match="LANEWAY_WORKER_ADDRESS"):
        Worker({"work": nothing})
    monkeypatch.setenv("LANEWAY_WORKER_ADDRESS", "127.0.0.1:1")
    Worker({"work": nothing})


@pytest.mark.parametrize("address", ["unix:/s", "unix:///s", "localhost:1", "127.3.2.1:1", "[::1]:1"])
def test_plaintext_goes_to_this_machine_only(address: str) -> None:
    Worker({"work": nothing}, address=address)
    Worker({"work": nothing}, address="host.example:1", insecure=True)
    Worker({"work": nothing}, address="host.example:1", tls=True)

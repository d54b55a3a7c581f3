"""The conformance program of laneway_worker: see README.md in the folder above.

LANEWAY_WORKER_STYLE chooses how it handles: `asyncio` (the default) or `threads`; each has the same promises to keep.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import time
from typing import Any

from laneway_worker import Context, DeadLetter, Drop, Fatal, Message, Retry, Worker, serve_function


class ToldToFail(Exception):
    def __init__(self, retriable: bool | None) -> None:
        super().__init__("told to fail")
        self.retriable = retriable


class Cancelled(Exception):
    pass


class Ledger:
    """What one attempt writes down."""

    def __init__(self, message: Message, context: Context) -> None:
        self._line = {
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
            "key": None if message.key is None else message.key.decode(errors="replace"),
            "attempt": context.attempt,
            "worker": str(os.getpid()),
        }

    def note(self, event: str, **more: str) -> None:
        line = json.dumps({"event": event, **self._line, **more}) + "\n"
        file = os.open(os.environ["LANEWAY_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def start(self, message: Message, context: Context) -> None:
        trace = {} if context.traceparent is None else {"traceparent": context.traceparent}
        self.note("start", digest=digest_of(message), **trace)


def digest_of(message: Message) -> str:
    digest = hashlib.sha256()
    content = [message.key, message.value]
    for name, value in message.headers:
        content += [name.encode(), value]
    for each in content:
        digest.update((0xFFFF_FFFF if each is None else len(each)).to_bytes(4, "big"))
        digest.update(each or b"")
    return digest.hexdigest()


def orders_in(message: Message) -> dict[str, Any]:
    if message.value is None or not message.value.startswith(b"{"):
        return {}
    try:
        return dict(json.loads(message.value))
    except ValueError:
        return {}


def spin(orders: dict[str, Any]) -> None:
    until = time.monotonic() + orders.get("spinMs", 0) / 1000
    while time.monotonic() < until:
        pass


def decide(orders: dict[str, Any], context: Context) -> None:
    if context.attempt < orders.get("crashUntil", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if context.attempt < orders.get("failUntil", 0):
        raise ToldToFail(orders.get("retriable"))
    if "output" in orders:
        context.send(orders["output"]["topic"], orders["output"]["value"])
    reason = orders.get("reason", "told to")
    match orders.get("outcome"):
        case "fail":
            raise ToldToFail(orders.get("retriable"))
        case "retry":
            raise Retry(delay=orders.get("delayMs", 0) / 1000)
        case "drop":
            raise Drop(reason)
        case "deadLetter":
            raise DeadLetter(reason)
        case "fatal":
            raise Fatal("told to end the consumer")


async def ignoring_cancellation(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue


async def obey(message: Message, context: Context) -> None:
    ledger = Ledger(message, context)
    ledger.start(message, context)
    orders = orders_in(message)
    try:
        spin(orders)
        try:
            await asyncio.sleep(orders.get("sleepMs", 0) / 1000)
            await ignoring_cancellation(orders.get("ignoreCancelMs", 0) / 1000)
            if orders.get("hangUntilCancelled"):
                await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            ledger.note("cancelled")
            raise Cancelled("told to stop") from cancelled
        decide(orders, context)
    finally:
        ledger.note("end")


def obey_in_thread(message: Message, context: Context) -> None:
    ledger = Ledger(message, context)
    ledger.start(message, context)
    orders = orders_in(message)

    def wait(seconds: float | None) -> None:
        if context.cancelled.wait(seconds):
            ledger.note("cancelled")
            raise Cancelled("told to stop")

    try:
        spin(orders)
        if orders.get("sleepMs"):
            wait(orders["sleepMs"] / 1000)
        time.sleep(orders.get("ignoreCancelMs", 0) / 1000)
        if orders.get("hangUntilCancelled"):
            wait(None)
        decide(orders, context)
    finally:
        ledger.note("end")


async def serve(address: str) -> None:
    server = await serve_function({"obey": handler}, listen=address, token=os.environ["LANEWAY_WORKER_TOKEN"])
    drained = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, drained.set)
    await drained.wait()
    await server.close()


def number_in(name: str, otherwise: int) -> int:
    return int(os.environ.get(name, otherwise))


handler = obey_in_thread if os.environ.get("LANEWAY_WORKER_STYLE") == "threads" else obey

if __name__ == "__main__":
    if "LANEWAY_FUNCTION_ADDRESS" in os.environ:
        asyncio.run(serve(os.environ["LANEWAY_FUNCTION_ADDRESS"]))
    else:
        # For hosts that test how an engine waits for its workers.
        time.sleep(number_in("LANEWAY_START_DELAY_MS", 0) / 1000)
        concurrency = number_in("LANEWAY_WORKER_CONCURRENCY", 64)
        credits = number_in("LANEWAY_WORKER_CREDITS", 2 * concurrency)
        Worker({"obey": handler}, concurrency=concurrency, credits=credits).run()

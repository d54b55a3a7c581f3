"""The worker of the engines benchmark in Python: it does what handler.ts does.

Its handlers are coroutines, as those of Node's are, so that both are one thread. `--check` only looks whether it could run.
"""

import asyncio
import json
import os
import sys
import time

from laneway_worker import Context, Message, Worker

SPIN_S = 200e-6
WAIT_S = 10e-3


def note(log: int, message: Message) -> None:
    due = int((message.value or b"")[:16]) if (message.value or b"")[:16].isdigit() else 0
    late = time.time_ns() // 1000 - due
    key = (message.key or b"null").decode()
    os.write(log, f"{message.partition} {message.offset} {key} {late}\n".encode())


def handler_of(work: str, path: str):
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if path else None

    async def handle(message: Message, context: Context) -> None:
        if log is not None:
            note(log, message)
        if work == "wait":
            await asyncio.sleep(WAIT_S)
        elif work == "spin":
            until = time.perf_counter() + SPIN_S
            while time.perf_counter() < until:
                pass

    return handle


if __name__ == "__main__" and "--check" not in sys.argv:
    order = json.loads(os.environ["LANEWAY_BENCH_HANDLER"])
    Worker(handlers={"default": handler_of(order["work"], order["log"])}, concurrency=256).run()

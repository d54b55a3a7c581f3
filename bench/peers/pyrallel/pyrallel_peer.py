"""
Pyrallel Consumer, as the section "Usage" of its README sets it up. Arguments: the task, the order (key_hash, partition,
unordered) and the engine (async, process).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version

import confluent_kafka
from handlers import Handlers
from ledger import Ledger
from progress import Progress
from pydantic import PrivateAttr
from pyrallel_consumer.config import KafkaConfig
from pyrallel_consumer.consumer import PyrallelConsumer
from pyrallel_consumer.dto import ExecutionMode, OrderingMode, WorkItem
from task import Task
from usage import cpu_seconds, peak_rss_kib

POLL_SECONDS = 0.01
PR_SET_PDEATHSIG = 1

# What a child process inherits: its handler must be a function that is found by its name.
inherited: Handlers | None = None


def handle_in_child(item: WorkItem) -> None:
    if inherited is None:
        raise RuntimeError("this process was not forked from the consumer's")
    inherited.blocking(item)


class TunedConfig(KafkaConfig):
    """Its config has no place for properties of librdkafka, so they are added to what it hands to librdkafka."""

    _properties: dict[str, str] = PrivateAttr(default_factory=dict)

    def get_consumer_config(self) -> dict[str, str | int | bool]:
        return super().get_consumer_config() | self._properties


def configured(task: Task, order: OrderingMode, engine: ExecutionMode) -> KafkaConfig:
    config = TunedConfig(BOOTSTRAP_SERVERS=task.brokers, CONSUMER_GROUP=task.group)
    config._properties = task.properties
    config.parallel_consumer.ordering_mode = order
    execution = config.parallel_consumer.execution
    execution.mode = engine
    if engine is ExecutionMode.PROCESS:
        # Its operations guide (2.2): about as many as cores for work on the CPU; for waiting rather the other engine.
        # The messages in flight stay at their default, well above the ten per worker that the guide (2.1) asks for.
        execution.process_config.process_count = os.cpu_count() or 1
    else:
        # One setting bounds the handlers at once and the messages in memory.
        execution.max_in_flight = task.concurrency
        # By default it gives up a handler after 30 s, and starts it again.
        execution.async_config.task_timeout_ms = int(task.deadline_seconds * 1000)
    return config


def end_at_deadline(seconds: float) -> None:
    """A contestant that hangs must not outlive a harness that was killed."""

    def end() -> None:
        print(f"no end after {seconds:g} s", file=sys.stderr)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def die_with_parent() -> None:
    """A child waits for messages for ever, also when the consumer's process was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def until(condition: Callable[[], bool], closed: asyncio.Task[None]) -> None:
    """Looks again and again: handlers may end in other processes, and nobody is told of a commit."""
    while not condition():
        if closed.done():
            raise RuntimeError("the consumer has ended by itself") from closed.exception()
        await asyncio.sleep(POLL_SECONDS)


async def run(task: Task, order: OrderingMode, engine: ExecutionMode) -> None:
    global inherited
    in_children = engine is ExecutionMode.PROCESS
    ledger = None
    if task.ledger is not None:
        ledger = Ledger(task.ledger, each=in_children or task.flush == "each")
    progress = Progress(task.messages, multiprocessing.Lock() if in_children else contextlib.nullcontext())
    inherited = Handlers(task.work, ledger, progress)
    worker = handle_in_child if in_children else inherited.asynchronous
    consumer = PyrallelConsumer(config=configured(task, order, engine), worker=worker, topic=task.topic)
    end_at_deadline(task.deadline_seconds)

    subscribed_at = time.monotonic()
    cpu_at_subscribe = cpu_seconds()
    await consumer.start()
    closed = asyncio.create_task(consumer.wait_closed())
    await until(lambda: progress.is_done, closed)
    result = {
        "messages": progress.ended,
        "seconds": progress.last_at - subscribed_at,
        "firstMessageSeconds": progress.first_at - subscribed_at,
        "cpuSeconds": cpu_seconds() - cpu_at_subscribe,
        "maxRssKib": peak_rss_kib(),
        "versions": {
            "pyrallel-consumer": version("pyrallel-consumer"),
            "confluent-kafka": version("confluent-kafka"),
            "librdkafka": confluent_kafka.libversion()[0],
            "python": sys.version.split()[0],
        },
    }
    if ledger is not None:
        ledger.flush()
    print(json.dumps(result), flush=True)
    # Stopping would leave what has ended and is not committed yet.
    await until(lambda: all(partition.true_lag == 0 for partition in consumer.get_metrics().partitions), closed)
    await consumer.stop()
    await closed
    if ledger is not None:
        ledger.close()


def main() -> None:
    _, argument, order, engine = sys.argv
    os.register_at_fork(after_in_child=die_with_parent)
    # It warns of backpressure at every pause: writing that would be part of the measurement.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    asyncio.run(run(Task.parse(argument), OrderingMode(order), ExecutionMode(engine)))


if __name__ == "__main__":
    main()

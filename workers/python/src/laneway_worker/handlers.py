"""The user's functions, and how each is begun: coroutines on the event loop, plain functions on threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from laneway_worker.context import Context
from laneway_worker.message import Message

Handler: TypeAlias = Callable[[Message, Context], Any]
"""Settles its message by returning; an exception is a failed attempt. `async def` or a plain function."""


def _is_coroutine_function(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def wrong_result(result: object) -> TypeError | None:
    """A plain function that returns something to be awaited has done nothing: its message must not count as handled."""
    if result is None or not inspect.isawaitable(result):
        return None
    if inspect.iscoroutine(result):
        result.close()
    return TypeError("the handler returned an awaitable: it must be an async def")


class Handlers:
    """Handlers by name, with the threads for those that need some."""

    def __init__(self, handlers: Mapping[str, Handler], threads: int) -> None:
        if not handlers:
            raise ValueError("handlers: must name at least one handler")
        for name, handler in handlers.items():
            if not isinstance(name, str) or name == "" or not callable(handler):
                raise TypeError(f"handlers: {name!r} must be a name with a function")
        self._handlers = {name: (handler, _is_coroutine_function(handler)) for name, handler in handlers.items()}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="laneway-worker")

    @property
    def names(self) -> list[str]:
        return list(self._handlers)

    def __contains__(self, name: str) -> bool:
        return name in self._handlers

    def begin(self, name: str, message: Message, context: Context) -> asyncio.Future[Any]:
        """What is done when the handler has really ended. Only a coroutine ends early when it is cancelled."""
        handler, is_coroutine = self._handlers[name]
        loop = asyncio.get_running_loop()
        if is_coroutine:
            return loop.create_task(handler(message, context))
        return loop.run_in_executor(self._threads, handler, message, context)

    def close(self) -> None:
        """Threads that still run go on; no new ones begin."""
        self._threads.shutdown(wait=False)

"""Workers in Python for a laneway host, which consumes Kafka in parallel and in key order.

from laneway_worker import Context, Message, Worker

async def score(message: Message, context: Context) -> None:
    ...

Worker(handlers={"score": score}).run()
"""

from laneway_worker.context import Context, LeaseLost, NotTransactional
from laneway_worker.credentials import Tls
from laneway_worker.function_server import FunctionServer, serve_function
from laneway_worker.handlers import Handler
from laneway_worker.message import Header, Message
from laneway_worker.outcomes import DeadLetter, Drop, Fatal, Retry
from laneway_worker.worker import HostUnreachable, Worker, WorkerRefused

__all__ = [
    "Context",
    "DeadLetter",
    "Drop",
    "Fatal",
    "FunctionServer",
    "Handler",
    "Header",
    "HostUnreachable",
    "LeaseLost",
    "Message",
    "NotTransactional",
    "Retry",
    "Tls",
    "Worker",
    "WorkerRefused",
    "serve_function",
]

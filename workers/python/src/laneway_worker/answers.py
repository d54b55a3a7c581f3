"""What becomes of an attempt, in the words of the contract: a settlement for each way in which a handler may end. What a
user's error says is cut where it is long, so that no settlement is too large to be sent.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Mapping

from laneway_worker._contract import worker_pb2 as contract
from laneway_worker.outcomes import DeadLetter, Drop, Fatal, Retry

MAX_CODE_LENGTH = 256
MAX_MESSAGE_LENGTH = 8_192
MAX_STACK_LENGTH = 16_384
MAX_DETAILS = 64
MAX_DELAY_MS = 2**31 - 1

DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
CANCELLED = "CANCELLED"


def completed(outputs: Iterable[contract.Output] = ()) -> contract.Settlement:
    return contract.Settlement(status=contract.STATUS_COMPLETED, outputs=outputs)


def released() -> contract.Settlement:
    return contract.Settlement(status=contract.STATUS_RELEASED)


def cut_short(code: str, reason: str) -> contract.Settlement:
    """The worker has ended the attempt, not its handler."""
    return contract.Settlement(status=contract.STATUS_FAILED, error=contract.Error(code=code, message=reason))


def failed(error: BaseException) -> contract.Settlement:
    """The handler raised this."""
    answer = contract.Settlement(status=contract.STATUS_FAILED, error=_envelope(error))
    if isinstance(error, Retry):
        answer.status = contract.STATUS_RETRY
        answer.delay_ms = min(math.ceil(error.delay * 1000), MAX_DELAY_MS)
    elif isinstance(error, Drop):
        answer.status = contract.STATUS_DROP
    elif isinstance(error, DeadLetter):
        answer.status = contract.STATUS_DEAD_LETTER
    elif isinstance(error, Fatal):
        answer.status = contract.STATUS_FATAL
    return answer


def _envelope(error: BaseException) -> contract.Error:
    retriable = getattr(error, "retriable", None)
    return contract.Error(
        code=type(error).__name__[:MAX_CODE_LENGTH],
        message=_text(error)[:MAX_MESSAGE_LENGTH],
        retriable=retriable if isinstance(retriable, bool) else None,
        details=_details(error),
        stack=_text("".join(traceback.format_exception(error)))[:MAX_STACK_LENGTH],
    )


def _details(error: BaseException) -> dict[str, str]:
    details = getattr(error, "details", None)
    if not isinstance(details, Mapping):
        return {}
    items = list(details.items())[:MAX_DETAILS]
    return {_text(name)[:MAX_CODE_LENGTH]: _text(value)[:MAX_MESSAGE_LENGTH] for name, value in items}


def _text(value: object) -> str:
    """Protobuf takes no lone surrogates, which text of Python's may hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8")

"""The parts of a worker that need no host."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from laneway_worker import Context, DeadLetter, Drop, Fatal, LeaseLost, NotTransactional, Retry, Tls
from laneway_worker._contract import worker_pb2 as contract
from laneway_worker.answers import MAX_MESSAGE_LENGTH, MAX_STACK_LENGTH, failed
from laneway_worker.backoff import Backoff
from laneway_worker.host_clock import HostClock
from laneway_worker.message import message_from
from laneway_worker.places import Places


def context(*, takes_outputs: bool = True) -> Context:
    return Context(attempt=1, first_failed_at=None, deadline=math.inf, metadata={}, takes_outputs=takes_outputs)


def test_a_deadline_is_never_later_than_the_hosts_clock_says() -> None:
    clock = HostClock()
    assert clock.to_worker_time(10_000) == -math.inf
    # Sent at 1,000 by the worker's clock; the host's showed 50,000 some time later.
    clock.read(1_000, 50_000)
    assert clock.to_worker_time(50_500) == 1_500
    # The newest counts, also where it allows less.
    clock.read(2_000, 51_200)
    assert clock.to_worker_time(51_700) == 2_500


def test_backoff_grows_to_its_bound_with_jitter() -> None:
    backoff = Backoff(0.1, 1.0)
    for failures, most in [(1, 0.1), (2, 0.2), (4, 0.8), (5, 1.0), (10_000, 1.0)]:
        delays = [backoff.delay(failures) for _ in range(200)]
        assert 0 <= min(delays) <= max(delays) <= most
        assert max(delays) > most / 2
        assert min(delays) < most / 2


def test_an_error_becomes_an_envelope() -> None:
    class Odd(ValueError):
        retriable = False
        details = {"row": 7}  # noqa: RUF012

    try:
        raise Odd("no") from KeyError("cause")
    except Odd as error:
        answer = failed(error)
    assert answer.status == contract.STATUS_FAILED
    assert (answer.error.code, answer.error.message, answer.error.retriable) == ("Odd", "no", False)
    assert answer.error.details == {"row": "7"}
    assert "KeyError: 'cause'" in answer.error.stack
    assert not failed(ValueError()).error.HasField("retriable")


def test_an_error_of_any_size_and_text_can_be_sent() -> None:
    answer = failed(ValueError("\udc80" + "x" * 1_000_000))
    assert len(answer.error.message) == MAX_MESSAGE_LENGTH
    assert len(answer.error.stack) == MAX_STACK_LENGTH
    assert answer.SerializeToString()


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Retry(1.5), contract.STATUS_RETRY),
        (Drop("r"), contract.STATUS_DROP),
        (DeadLetter("r"), contract.STATUS_DEAD_LETTER),
        (Fatal("r"), contract.STATUS_FATAL),
    ],
)
def test_outcomes(outcome: Exception, status: int) -> None:
    answer = failed(outcome)
    assert answer.status == status
    assert answer.delay_ms == (1_500 if isinstance(outcome, Retry) else 0)


def test_a_retry_has_a_possible_delay() -> None:
    assert failed(Retry(1e12)).delay_ms == 2**31 - 1
    for delay in (-1.0, math.nan):
        with pytest.raises(ValueError, match="delay"):
            Retry(delay)


def test_null_and_empty_are_different() -> None:
    null = message_from("t", 1, contract.Message(headers=[contract.Header(name="a")]))
    assert (null.key, null.value, null.headers) == (None, None, [("a", None)])
    empty = contract.Message(key=b"", value=b"", headers=[contract.Header(name="a", value=b"")])
    assert message_from("t", 1, empty).headers == [("a", b"")]
    assert (message_from("t", 1, empty).key, message_from("t", 1, empty).value) == (b"", b"")


def test_sending() -> None:
    sending = context()
    sending.send("t", "ü", headers=[("a", b"1"), ("a", None)], partition=0)
    (output,) = sending._lose()
    assert (output.value, output.HasField("key"), output.partition) == ("ü".encode(), False, 0)
    assert [(each.name, each.HasField("value")) for each in output.headers] == [("a", True), ("a", False)]
    assert not output.HasField("timestamp_ms")
    with pytest.raises(LeaseLost):
        sending.send("t")
    with pytest.raises(NotTransactional):
        context(takes_outputs=False).send("t")


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"topic": ""}, "topic"),
        ({"topic": "t", "key": 7}, "key"),
        ({"topic": "t", "value": {}}, "value"),
        ({"topic": "t", "partition": -1}, "partition"),
        ({"topic": "t", "timestamp": 1.5}, "timestamp"),
        ({"topic": "t", "headers": [("a", 1)]}, "header a"),
    ],
)
def test_a_record_that_is_impossible_is_refused_and_named(record: dict[str, Any], named: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{named}:"):
        context().send(**record)


def test_tls_needs_a_key_for_its_certificate() -> None:
    with pytest.raises(ValueError, match="go together"):
        Tls(cert=b"c")


class Step:
    """Is over as soon as it has a place."""

    def __init__(self, places: Places, seen: list[int], number: int) -> None:
        self.places, self.seen, self.number = places, seen, number

    def proceed(self) -> None:
        self.seen.append(self.number)
        self.places.leave()


def test_places_serve_the_oldest_first_however_many_are_over_at_once() -> None:
    seen: list[int] = []
    places = Places(1)

    class Holder:
        def proceed(self) -> None: ...

    places.offer(Holder())
    steps: Iterator[Step] = (Step(places, seen, number) for number in range(5_000))
    waiting = list(steps)
    for step in waiting:
        places.offer(step)
    assert places.withdraw(waiting[1])
    assert not places.withdraw(waiting[1])
    assert seen == []
    places.leave()
    assert seen == [0, *range(2, 5_000)]
    assert places.taken == 0

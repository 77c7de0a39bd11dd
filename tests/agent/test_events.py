"""Events on their way out: as log lines and to listeners, without card numbers."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from agent.domain.messages import Event
from agent.domain.outcomes import (
    AuthMethod,
    DecidedBy,
    EventKind,
    Outcome,
    Refusal,
    StopReason,
)
from agent.domain.uid import Uid
from agent.events import _QUEUE_LENGTH, _RECENT, EventLog
from tests.fakes.cards import uid_of
from tests.fakes.lists import KEYS
from tests.fakes.sessions import instant
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

FULL = Event(
    kind=EventKind.SESSION_STARTED,
    at=instant(1.5),
    tap_id="T1",
    grant_id="G1",
    reader="front",
    evse_uid="E1",
    session_id="S1",
    uid=uid_of("A"),
    outcome=Outcome.STARTED,
    reason=StopReason.LOCAL,
    decided_by=DecidedBy.REALTIME,
    auth_method=AuthMethod.AUTH_REQUEST,
    tapped_at=instant(1.25),
    decided_at=instant(1.375),
    energy_wh=7,
    info="Welcome",
    flagged=True,
)
TAP = Event(kind=EventKind.TAP_RECEIVED, at=instant(), reader="front", uid=uid_of("A"))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> EventLog:
    """Log with fingerprints of a fixed key."""
    caplog.set_level(logging.INFO)
    return EventLog(KEYS.fingerprint)


def test_an_event_is_described_whole(log: EventLog) -> None:
    """Every field has its place; the card is its fingerprint."""
    assert log.describe(FULL) == {
        "event": "session.started",
        "at": "2026-03-01T12:00:01.500Z",
        "tap_id": "T1",
        "grant_id": "G1",
        "outcome": "started",
        "reason": "local",
        "reader": "front",
        "evse_uid": "E1",
        "session_id": "S1",
        "card": KEYS.fingerprint(uid_of("A")),
        "decided_by": "realtime",
        "auth_method": "AUTH_REQUEST",
        "energy_wh": 7,
        "info": "Welcome",
        "tapped_at": "2026-03-01T12:00:01.250Z",
        "decided_at": "2026-03-01T12:00:01.375Z",
        "latency_ms": 125.0,
        "flagged": True,
    }


def test_what_is_absent_is_left_out(log: EventLog) -> None:
    """No empty fields, and a card that gave no number has no fingerprint."""
    event = Event(kind=EventKind.TAP_RECEIVED, at=instant(), uid=Uid(""))

    assert log.describe(event) == {
        "event": "tap.received",
        "at": "2026-03-01T12:00:00.000Z",
    }


def test_only_an_outcome_has_a_latency(log: EventLog) -> None:
    """The driver's wait ends with the outcome."""
    event = Event(kind=EventKind.TAP_RECEIVED, at=instant(2), tapped_at=instant(1))

    assert "latency_ms" not in log.describe(event)


def test_no_event_shows_a_card_number(
    log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither as data nor in the log, in whatever spelling."""
    for event in (FULL, TAP):
        log.publish(event)

        text = json.dumps(log.describe(event)) + caplog.text + repr(event)
        assert uid_of("A").value not in text.upper()


@pytest.mark.parametrize(
    ("outcome", "reason", "level"),
    [
        (Outcome.STARTED, None, logging.INFO),
        (Outcome.GRANTED, None, logging.INFO),
        (Outcome.IGNORED, None, logging.INFO),
        (Outcome.REFUSED, Refusal.BLOCKED, logging.WARNING),
        (Outcome.CHARGER_FAILED, None, logging.WARNING),
        (None, None, logging.INFO),
    ],
)
def test_an_event_is_one_log_line(
    log: EventLog,
    caplog: pytest.LogCaptureFixture,
    outcome: Outcome | None,
    reason: Refusal | None,
    level: int,
) -> None:
    """What went wrong stands out; the fields are there for the system's journal."""
    log.publish(
        Event(
            kind=EventKind.TOKEN_REJECTED,
            at=instant(),
            evse_uid="E1",
            session_id="S1",
            outcome=outcome,
            reason=reason,
        )
    )

    [record] = caplog.records
    assert record.levelno == level
    assert record.getMessage().startswith("token.rejected ")
    extra = record.__dict__
    assert (extra["EVSE_UID"], extra["SESSION_ID"]) == ("E1", "S1")
    assert (extra["DECISION"], extra["REASON"]) == (outcome, reason)


def test_the_last_outcomes_are_remembered(log: EventLog) -> None:
    """For `status`: outcomes only, the newest last, and not without end."""
    for number in range(2 * _RECENT):
        log.publish(TAP)
        log.publish(
            Event(
                kind=EventKind.TAP_IGNORED,
                at=instant(),
                tap_id=f"T{number}",
                outcome=Outcome.IGNORED,
            )
        )

    remembered = [facts["tap_id"] for facts in log.recent]
    assert remembered == [f"T{number}" for number in range(_RECENT, 2 * _RECENT)]


def heard(queue: asyncio.Queue[dict[str, Any]]) -> Sequence[str]:
    """Take everything a listener has heard."""
    return [queue.get_nowait()["reader"] for _ in range(queue.qsize())]


def event(number: int) -> Event:
    """Give an event its number."""
    return Event(kind=EventKind.TAP_RECEIVED, at=instant(), reader=str(number))


def test_listeners_hear_from_now_on_until_they_leave(log: EventLog) -> None:
    """Two listeners hear the same; who has left hears nothing more."""

    async def main() -> None:
        log.publish(event(1))
        with log.listen() as first:
            log.publish(event(2))
            with log.listen() as second:
                log.publish(event(3))
            log.publish(event(4))
        log.publish(event(5))
        assert heard(first) == ["2", "3", "4"]
        assert heard(second) == ["3"]

    run_virtual(main())


def test_a_listener_that_does_not_read_costs_no_memory(log: EventLog) -> None:
    """It misses the oldest events, and nobody waits for it."""

    async def main() -> None:
        with log.listen() as queue:
            for number in range(_QUEUE_LENGTH + 10):
                log.publish(event(number))
            assert heard(queue) == [str(n) for n in range(10, _QUEUE_LENGTH + 10)]

    run_virtual(main())

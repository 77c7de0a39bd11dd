"""Sessions as values: energy, time and status only ever go forwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.sessions import (
    CdrToken,
    Session,
    SessionStatus,
    add_reading,
    end,
    request_stop,
)
from agent.domain.tokens import TokenType
from tests.fakes.cards import token_of, uid_of
from tests.fakes.clock import FakeClock

MOST_W = 10**9  # Here no register runs too fast.

READINGS = [
    # case, register readings, energy in Wh
    ("ordinary", [1000, 1200, 2500], 1500),
    ("first reading is the start", [7_000_000], 0),
    ("no change", [1000, 1000, 1000], 0),
    ("runs backwards", [1000, 1500, 400], 500),
    ("goes on after a reset", [1000, 1500, 0, 300], 800),
    ("from zero", [0, 1], 1),
]


def _session(clock: FakeClock) -> Session:
    now = clock.now()
    return Session(
        id="S1",
        evse_uid="E1",
        reader="front",
        card=uid_of("A").value,
        token=CdrToken(
            country_code="SE",
            party_id="EMS",
            uid=uid_of("A").value,
            type=TokenType.RFID,
            contract_id="SE-EMS-C0000A",
        ),
        upstream="cpo",
        auth_method=AuthMethod.WHITELIST,
        decided_by=DecidedBy.WHITELIST,
        started_at=now,
        updated_at=now,
    )


@pytest.mark.parametrize(
    ("readings", "energy"), [row[1:] for row in READINGS], ids=[r[0] for r in READINGS]
)
def test_energy_of_readings(readings: list[int], energy: int) -> None:
    """Energy is what the register advanced by since the first reading."""
    clock = FakeClock()
    session = _session(clock)
    for wh in readings:
        clock.move(timedelta(seconds=10))
        session = add_reading(session, wh, clock.now(), most_w=MOST_W)
    assert session.energy_wh == energy
    assert session.meter_start_wh == readings[0]
    assert session.meter_wh == readings[-1]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(-(10**6), 10**6)), max_size=20
    )
)
def test_energy_and_time_never_go_backwards(steps: list[tuple[int, int]]) -> None:
    """Neither a strange register nor a strange clock takes anything back."""
    clock = FakeClock()
    session = _session(clock)
    for wh, jump_s in steps:
        clock.set_wall(timedelta(seconds=jump_s))
        after = add_reading(session, wh, clock.now(), most_w=MOST_W)
        assert after.energy_wh >= session.energy_wh
        assert after.updated_at.wall >= session.updated_at.wall
        session = after
    clock.set_wall(timedelta(days=-1))
    asked = request_stop(session, StopReason.LOCAL, clock.now())
    ended = end(asked, asked.time_of(clock.now()))
    assert ended.updated_at.wall >= session.updated_at.wall
    assert ended.energy_wh == session.energy_wh


def test_last_updated_moves_with_the_energy() -> None:
    """A reading that adds nothing is no news."""
    clock = FakeClock()
    first = add_reading(_session(clock), 1000, clock.now(), most_w=MOST_W)
    clock.move(timedelta(seconds=10))
    same = add_reading(first, 1000, clock.now(), most_w=MOST_W)
    assert same.updated_at == first.updated_at
    assert (
        add_reading(same, 1001, clock.now(), most_w=MOST_W).updated_at.wall
        == clock.wall
    )


def test_stopping_keeps_the_session_open() -> None:
    """The decision to stop is not the end: energy is still on."""
    clock = FakeClock()
    asked = request_stop(_session(clock), StopReason.LOCAL, clock.now())
    assert asked.is_open
    assert asked.status is SessionStatus.ACTIVE
    assert asked.stop_reason is StopReason.LOCAL


def test_decision_to_stop_is_news_for_the_backend() -> None:
    """Its moment is when the session was last updated."""
    clock = FakeClock()
    session = _session(clock)
    clock.move(timedelta(seconds=10))
    asked = request_stop(session, StopReason.LOCAL, clock.now())
    assert asked.stop_at == asked.updated_at == clock.now()


@pytest.mark.parametrize("reason", StopReason)
def test_status_at_the_end(reason: StopReason) -> None:
    """Only a session whose charger failed is INVALID."""
    clock = FakeClock()
    failed = reason is StopReason.CHARGER_FAILED
    ended = end(request_stop(_session(clock), reason, clock.now()), clock.now())
    assert not ended.is_open
    assert ended.stop_reason is reason
    assert ended.ended_at == clock.now()
    assert ended.status is (
        SessionStatus.INVALID if failed else SessionStatus.COMPLETED
    )


def test_estimated_end_says_so() -> None:
    """An end that nobody saw is marked."""
    clock = FakeClock()
    asked = request_stop(_session(clock), StopReason.POWER_LOSS, clock.now())
    assert not end(asked, clock.now()).end_estimated
    assert end(asked, clock.now(), estimated=True).end_estimated


def test_session_belongs_to_the_card_that_started_it() -> None:
    """Another card of the same party owns nothing."""
    session = _session(FakeClock())
    assert session.belongs_to(uid_of("A"))
    assert not session.belongs_to(uid_of("B"))


def test_values_are_silent_about_the_card() -> None:
    """No representation of a session or a token holds its numbers."""
    session = _session(FakeClock())
    token = token_of("A")
    text = f"{session} {session.token} {token} {[session, token]!r}".upper()
    assert uid_of("A").value not in text
    assert session.token.contract_id not in text

"""Times of a session: right in the end, whatever the clock did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.domain.instant import Instant
from agent.domain.outcomes import StopReason
from agent.domain.sessions import Session, add_reading, end, request_stop
from agent.domain.settings import LateRefusal
from agent.domain.tariffs import Tariff
from agent.domain.timeline import base_of, correct, settle, waits_for_time
from agent.domain.tokens import Verdict, WhitelistType
from tests.agent.domain.shell import StationClock
from tests.agent.domain.story import Story, charging
from tests.fakes.cards import token_of
from tests.fakes.sessions import session_of

TRUE_START = datetime(2026, 3, 1, 12, tzinfo=UTC)  # Where a FakeClock begins
YEARS_AGO = datetime(2000, 1, 1, tzinfo=UTC) - TRUE_START
HOUR = timedelta(hours=1)
PER_MINUTE = Tariff(per_minute=Decimal("1.5"))


def _without_clock(
    lag: timedelta = YEARS_AGO,
    **rules: Any,  # noqa: ANN401 - fields of Settings
) -> Story:
    story = Story(**rules)
    story.shell.clock = StationClock()
    story.shell.clock.lose_the_time(lag)
    story.meter(1000)
    return story


def _dated(story: Story, number: int = 0) -> Session:
    return correct(story.rows[number], story.shell.clock.bases)


# ---- no clock at boot


@pytest.mark.parametrize("lag", [YEARS_AGO, -HOUR, HOUR], ids=str)
def test_79_no_clock_at_boot(lag: timedelta) -> None:
    """A session that began without the time gets right times once it is known."""
    story = _without_clock(lag)
    story.charge("A")
    story.pass_time(594)
    story.meter(1600)
    story.shell.clock.learn_the_time()
    story.pass_time(3000)
    story.meter(2000)
    story.tap("A")
    dated = _dated(story)
    assert dated.ended_at is not None
    assert dated.started_at.wall == TRUE_START
    assert dated.ended_at.wall == dated.updated_at.wall == TRUE_START + HOUR
    assert dated.energy_wh == 1000


def test_79_session_that_ended_before_the_time_was_known() -> None:
    """It is dated as a whole, by when its boot began."""
    story = _without_clock()
    story.charge("A")
    story.pass_time(594)
    story.tap("A")
    story.pass_time(3600)
    assert waits_for_time(story.rows[0], story.shell.clock.bases, "boot-1")
    story.shell.clock.learn_the_time()
    story.shell.clock.now()
    dated = _dated(story)
    assert dated.ended_at is not None
    assert dated.started_at.wall == TRUE_START
    assert dated.ended_at.wall == TRUE_START + timedelta(seconds=600)
    assert not waits_for_time(story.rows[0], story.shell.clock.bases, "boot-1")


def test_79_duration_is_right_before_the_time_is_known() -> None:
    """Time runs as it should, wherever it began."""
    story = _without_clock()
    story.charge("A")
    story.pass_time(594)
    story.tap("A")
    (row,) = story.rows
    assert row.ended_at is not None
    assert row.ended_at.wall - row.started_at.wall == timedelta(seconds=600)


def test_79_boot_that_never_knew_the_time_waits_for_nothing_any_more() -> None:
    """The next boot cannot tell when it was; the start is not after the end."""
    story = _without_clock(HOUR)
    story.charge("A")
    story.restart(dark_s=60)
    story.shell.clock.learn_the_time()
    story.pass_time(60)
    story.tap("A")
    (row,) = story.rows
    assert not waits_for_time(row, story.shell.clock.bases, "boot-2")
    dated = _dated(story)
    assert dated.ended_at is not None
    assert dated.started_at.wall <= dated.ended_at.wall
    assert dated.ended_at.wall == story.shell.clock.truth


def test_79_nothing_lies_behind_the_last_update() -> None:
    """A session's last reading is of a boot that was ahead; the next knows the time."""
    ahead = replace(_ended(), updated_at=_at(boot="boot-2", wall=HOUR))
    dated = correct(ahead, {"boot-2": TRUE_START - HOUR})
    assert dated.ended_at is not None
    assert dated.updated_at.wall == TRUE_START
    assert dated.started_at.wall == dated.ended_at.wall == TRUE_START


def test_79_last_update_is_later_where_only_what_was_before_has_a_date() -> None:
    """A boot that never knows the time takes no date back that was right."""
    ended = replace(_ended(), updated_at=_at(boot="boot-2", wall=-HOUR))
    dated = correct(ended, {"boot-1": TRUE_START})
    assert dated.ended_at is not None
    assert dated.ended_at.wall == dated.updated_at.wall == TRUE_START + HOUR


def test_79_no_reading_moves_dates_while_nobody_knows_the_time() -> None:
    """What was told of the start stays, also after a reading that was no news."""
    session = replace(_ended(), ended_at=None, meter_at=_at(wall=HOUR))
    assert correct(session, {}) == session


def test_79_date_of_the_start_is_kept_where_a_later_boot_never_knew_the_time() -> None:
    """An end that would lie before it is moved, not the start."""
    later = _at(boot="boot-2", wall=-5 * HOUR)
    ended = replace(_ended(), ended_at=later, updated_at=later)
    dated = correct(ended, {"boot-1": TRUE_START})
    assert dated.ended_at is not None
    assert dated.started_at.wall == TRUE_START + HOUR
    assert dated.ended_at.wall == dated.updated_at.wall == dated.started_at.wall


def _at(boot: str = "boot-1", wall: timedelta = timedelta()) -> Instant:
    return Instant(
        wall=TRUE_START + wall, monotonic=HOUR, boot_id=boot, synchronized=False
    )


def _ended() -> Session:
    later = {"started_at": _at(), "meter_at": _at(), "ended_at": _at(wall=2 * HOUR)}
    return replace(session_of("A"), **later)


def test_79_session_that_was_always_dated_waits_for_nothing() -> None:
    """A clock that is lost later takes nothing back that was known."""
    story = charging()
    story.tap("A")
    assert not waits_for_time(story.rows[0], {}, "boot-1")
    assert _dated(story) == story.rows[0]


def test_base_is_when_the_monotonic_clock_stood_at_zero() -> None:
    """It is the same at every moment of a boot whose clock is right."""
    clock = StationClock()
    base = base_of(clock.now())
    clock.move(HOUR)
    assert base_of(clock.now()) == base == clock.wall - clock.monotonic


def test_79_last_update_never_goes_back_without_a_clock_either() -> None:
    """The end lies at the last reading, and what was told later stays the latest."""
    story = _without_clock()
    story.cards["A"] = token_of("A", WhitelistType.ALLOWED)
    settings = replace(story.shell.settings, late_refusal=LateRefusal.CAP)
    story.shell.settings = settings
    story.charge("A")
    story.meter(1600)
    story.pass_time(600)
    story.verify("A", Verdict.BLOCKED)
    capped_at = story.rows[0].updated_at
    story.shell.boxes["E1"].connected = False
    story.restart(dark_s=1)
    (row,) = story.rows
    assert row.ended_at is not None
    assert row.ended_at.wall < capped_at.wall == row.updated_at.wall


events = st.lists(
    st.tuples(
        st.sampled_from(["nothing", "reading", "learn", "lose", "reboot"]),
        st.integers(1, 10_000),
        st.integers(-(10**8), 10**8),
    ),
    max_size=12,
)


@given(st.booleans(), st.integers(-(10**8), 10**8), events)
@example(False, -1, [("learn", 1, 0), ("reboot", 1, -9)])
def test_sessions_are_dated_right_whatever_their_boots_knew(
    known: bool,  # noqa: FBT001 - given by hypothesis
    lag_s: int,
    happened: list[tuple[str, int, int]],
) -> None:
    """No end before the start, and the truth where every boot has learned the time."""
    clock = StationClock()
    if not known:
        clock.lose_the_time(timedelta(seconds=lag_s))
    now, started = clock.now(), clock.truth
    session = session_of("S0", started_at=now, updated_at=now, meter_at=now)
    for what, seconds, lag in happened:
        clock.move(timedelta(seconds=seconds))
        session = _go_through(session, clock, what, timedelta(seconds=lag))
    clock.move(timedelta(seconds=1))
    at = session.time_of(clock.now())
    session = end(request_stop(session, StopReason.LOCAL, at), at)
    dated = correct(session, clock.bases)
    assert dated.ended_at is not None
    assert dated.started_at.wall <= dated.ended_at.wall == dated.updated_at.wall
    if not clock.bases and not known:
        assert dated == session
    if "boot-1" in clock.bases:
        assert dated.started_at.wall == started
    if len(clock.bases) == clock.boots:
        assert dated.started_at.wall == started
        assert dated.ended_at.wall == clock.truth


def _go_through(
    session: Session, clock: StationClock, what: str, lag: timedelta
) -> Session:
    match what:
        case "reading":
            wh = (session.meter_wh or 0) + 10
            session = add_reading(session, wh, clock.now(), most_w=10**9)
        case "learn":
            clock.learn_the_time()
        case "lose":
            clock.lose_the_time(timedelta())
        case "reboot":
            clock.reboot(timedelta(seconds=5))
            clock.lose_the_time(lag)
    clock.now()
    return session


# ---- final dates


@given(events, st.integers(-(10**8), 10**8), st.sets(st.sampled_from(["boot-1", "2"])))
def test_what_is_settled_is_never_dated_anew(
    happened: list[tuple[str, int, int]], base_s: int, learned: set[str]
) -> None:
    """Whatever is learned of any boot, a CDR that was sent keeps its dates."""
    clock = StationClock()
    clock.lose_the_time(timedelta())
    now = clock.now()
    session = session_of("S0", started_at=now, updated_at=now, meter_at=now)
    for what, seconds, lag in happened:
        clock.move(timedelta(seconds=seconds))
        session = _go_through(session, clock, what, timedelta(seconds=lag))
    at = session.time_of(clock.now())
    session = end(request_stop(session, StopReason.LOCAL, at), at)

    settled = settle(correct(session, clock.bases))

    boots = {f"boot-{number}" for number in range(1, clock.boots + 1)} | learned
    bases = dict.fromkeys(boots, TRUE_START + timedelta(seconds=base_s))
    assert correct(settled, bases) == settled
    assert settle(settled) == settled
    assert not any(waits_for_time(settled, {}, boot) for boot in boots)


def test_settling_changes_no_date_and_no_price() -> None:
    """The dates are taken as they are, so that the session costs what it did."""
    story = _without_clock(tariff=PER_MINUTE)
    story.charge("A")
    story.pass_time(594)
    story.meter(1600)
    story.tap("A")
    (row,) = story.rows
    settled = settle(row)
    assert settled != row
    assert settled.ended_at is not None
    assert row.ended_at is not None
    assert settled.started_at.wall == row.started_at.wall
    assert settled.ended_at.wall == row.ended_at.wall
    assert settled.duration == row.duration == timedelta(seconds=600)
    assert settled.cost == row.cost is not None


# ---- clocks that are set


def test_80_clock_jumps_backwards_in_mid_session() -> None:
    """Duration, energy and `last_updated` do not follow the clock."""
    story = charging()
    before = story.rows[0].updated_at.wall
    story.shell.clock.set_wall(timedelta(days=-1))
    story.pass_time(3594)
    story.meter(8000)
    story.tap("A")
    (row,) = story.rows
    assert row.ended_at is not None
    assert row.ended_at.since(row.started_at) == HOUR
    assert row.ended_at.wall - row.started_at.wall == HOUR
    assert row.updated_at.wall >= before
    assert row.energy_wh == 7000


def test_80_clock_jumps_forwards_in_mid_session() -> None:
    """The same the other way round."""
    story = charging()
    story.shell.clock.set_wall(timedelta(days=1))
    story.pass_time(3594)
    story.tap("A")
    (row,) = story.rows
    assert row.ended_at is not None
    assert row.ended_at.wall - row.started_at.wall == HOUR


def test_80_clock_jumps_while_a_grant_waits() -> None:
    """Time-outs do not follow the clock either."""
    story = Story()
    story.tap("A")
    story.shell.clock.set_wall(timedelta(days=1))
    story.pass_time(59)
    assert story.told("A") == ["granted"]
    story.shell.clock.set_wall(timedelta(days=-2))
    story.pass_time(1)
    assert story.told("A") == ["granted", "timed_out"]


def test_stop_that_nobody_saw_is_dated_like_its_end() -> None:
    """A session does not end before it was stopped."""
    story = charging()
    story.pass_time(60)
    story.meter(1500)
    story.shell.boxes["E1"].connected = False
    story.restart()
    (row,) = story.rows
    assert row.stop_at == row.ended_at == row.meter_at


def test_end_is_the_last_update_although_the_clock_was_ahead() -> None:
    """A moment of a clock that was wrong is not later than one that is right."""
    story = Story()
    story.shell.clock.lose_the_time(timedelta(hours=2))
    story.charge("A")
    story.shell.clock.learn_the_time()
    story.pass_time(3600)
    story.unplug()
    dated = correct(story.rows[0], story.shell.clock.bases)
    assert dated.updated_at.wall == story.shell.clock.truth

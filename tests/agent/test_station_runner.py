"""The station at work: durable first, then act; a stop whatever happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent.domain.messages import (
    CardLifted,
    CardTapped,
    Change,
    MeterRead,
)
from agent.domain.outcomes import Outcome, Refusal, Signal, StopReason
from agent.domain.policy import Modes
from agent.domain.tokens import Answer, Verdict, WhitelistType
from agent.domain.uid import Technology
from agent.errors import StoreBusyError, StoreCorruptError, StoreFailedError
from agent.station_runner import ANSWER_BEFORE, LATE_ANSWER, RECORD_AGAIN_S
from drivers.chargers.base import (
    ChargerState,
    Disconnected,
    Vehicle,
)
from drivers.errors import TransientDeviceError
from tests.fakes.cards import token_of, uid_of

if TYPE_CHECKING:
    from pathlib import Path


from tests.fakes.station import TWO, Bench, play, sessions

FULL = StoreFailedError("database or disk is full")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Set up a station of one EVSE."""
    return Bench(tmp_path)


def test_a_session_is_on_disk_before_energy_flows(bench: Bench) -> None:
    """When the charger is told to start, another process finds the session."""
    seen: list[tuple[str, list[str]]] = []
    bench.hardware["E1"].on_command = lambda name: seen.append((name, bench.on_disk()))

    async def story() -> None:
        await bench.plug()
        tap = await bench.tap("A")
        assert bench.outcome(tap) == (Outcome.STARTED, None)
        await asyncio.sleep(60)
        tap = await bench.tap("A")
        assert bench.outcome(tap) == (Outcome.STOPPED, StopReason.LOCAL)

    play(bench, story)

    assert seen == [("enable", ["E1"]), ("disable", ["E1"])]
    assert bench.on_disk() == []
    assert bench.journal.changes == ["start", "stop", "end"]
    assert bench.news == 3


def test_nothing_is_shown_before_it_is_kept(bench: Bench) -> None:
    """A slow disk delays the driver's signal, the charger and the outcome alike."""

    async def story() -> None:
        await bench.plug()
        bench.journal.takes_s = 3
        bench.shown.clear()
        bench.runner.post(tap := tapped("A"))
        await asyncio.sleep(2.9)
        assert bench.shown == []
        assert bench.hardware["E1"].commands == []
        await asyncio.sleep(1)
        assert Signal.ACCEPTED in bench.shown
        assert bench.outcome(tap.tap_id)[0] is Outcome.STARTED

    play(bench, story)


def tapped(card: str) -> CardTapped:
    """Tap a listed card."""
    return CardTapped(
        tap_id="T1",
        reader="front",
        slot="0",
        uid=uid_of(card),
        technology=Technology.ISO14443,
        token=token_of(card),
    )


@pytest.mark.parametrize(
    "error",
    [FULL, StoreBusyError("locked"), StoreCorruptError("damaged")],
    ids=lambda error: type(error).__name__,
)
def test_a_start_that_cannot_be_kept_is_refused(bench: Bench, error: Exception) -> None:
    """No energy without a session on disk; with space again the same card starts."""

    async def story() -> None:
        await bench.plug()
        bench.journal.error = error
        refused = await bench.tap("A")
        assert bench.outcome(refused) == (Outcome.REFUSED, Refusal.STORAGE_FAILED)
        assert bench.hardware["E1"].commands == []
        assert not bench.health.is_good("journal")
        bench.journal.error = None
        await asyncio.sleep(60)
        started = await bench.tap("A")
        assert bench.outcome(started) == (Outcome.STARTED, None)
        assert bench.health.is_good("journal")

    play(bench, story)


def test_a_stop_happens_although_nothing_can_be_kept(bench: Bench) -> None:
    """Energy goes off at once; the end is recorded, in order, once there is space."""

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        await asyncio.sleep(60)
        bench.journal.error = FULL
        stopped = await bench.tap("A")
        assert bench.outcome(stopped) == (Outcome.STOPPED, StopReason.LOCAL)
        assert bench.hardware["E1"].commands == ["enable", "disable"]
        assert bench.on_disk() == ["E1"]
        await asyncio.sleep(60)
        bench.journal.error = None
        await asyncio.sleep(RECORD_AGAIN_S + 0.1)
        assert bench.on_disk() == []

    play(bench, story)

    assert bench.journal.changes == ["start", "stop", "end"]


def test_a_stop_is_kept_in_the_space_that_was_kept_for_it(bench: Bench) -> None:
    """It is on disk before energy goes off; starts wait until there is plenty."""

    def make_room() -> None:
        bench.journal.error = None

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        await asyncio.sleep(60)
        bench.journal.error, bench.room.plenty = FULL, False
        bench.room.on_release = make_room
        await bench.tap("A")
        assert bench.on_disk() == []
        refused = await bench.tap("B")
        assert bench.outcome(refused)[1] is Refusal.STORAGE_FAILED
        bench.room.plenty = True
        await asyncio.sleep(6)
        started = await bench.tap("C")
        assert bench.outcome(started) == (Outcome.STARTED, None)

    play(bench, story)

    assert bench.journal.changes == ["start", "stop", "end", "start"]


def test_what_waits_for_space_is_recorded_before_what_comes_later(bench: Bench) -> None:
    """The next session's start is written together with, and after, the last end."""

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        await asyncio.sleep(60)
        bench.journal.error = FULL
        await bench.tap("A")
        await asyncio.sleep(6)
        refused = await bench.tap("B")
        assert bench.outcome(refused)[1] is Refusal.STORAGE_FAILED
        await asyncio.sleep(6)
        bench.journal.error = None
        await bench.tap("C")

    play(bench, story)

    assert bench.journal.changes == ["start", "stop", "end", "start"]


def test_what_could_not_be_kept_outlives_a_reload(bench: Bench, tmp_path: Path) -> None:
    """A successor takes over the records that still wait, and their station."""
    successor = Bench(tmp_path)
    successor.hardware = bench.hardware

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        await asyncio.sleep(60)
        bench.journal.error = FULL
        await bench.tap("A")

    play(bench, story)
    assert bench.on_disk() == ["E1"]
    successor.memory = bench.runner.memory()

    async def later() -> None:
        await asyncio.sleep(RECORD_AGAIN_S)
        assert successor.on_disk() == []

    play(successor, later)

    assert successor.journal.changes == ["stop", "end"]
    assert successor.hardware["E1"].commands == ["enable", "disable"]


@pytest.mark.parametrize("gone", [False, True], ids=["another came", "it is gone"])
def test_what_was_not_written_yet_outlives_a_reload_with_other_evses(
    bench: Bench, tmp_path: Path, *, gone: bool
) -> None:
    """Energy since the last durable reading is charged, though the EVSE is gone."""
    evses = ("E2",) if gone else ("E1", "E2")
    successor = Bench(tmp_path, {"R": evses})

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        await asyncio.sleep(1)
        bench.runner.post(MeterRead("E1", 1500))
        await asyncio.sleep(1)

    play(bench, story)
    (known,) = bench.runner.station.evses.values()
    assert known.session is not None
    assert known.session.energy_wh == 500
    [(written, _)] = sessions(bench)
    assert written.energy_wh == 0
    successor.memory = bench.runner.memory()
    if not gone:
        successor.hardware["E1"].state = ChargerState(
            Vehicle.CHARGING, enabled=True, wh=1500, fault=None
        )

    async def later() -> None:
        await asyncio.sleep(10)

    play(successor, later)

    [(found, _)] = sessions(successor)
    assert (found.is_open, found.energy_wh) == (not gone, 500 if gone else 0)
    if not gone:
        session = successor.runner.station.evses["E1"].session
        assert session is not None
        assert session.energy_wh == 500


def test_a_stop_that_was_not_written_yet_outlives_a_reload_with_other_evses(
    bench: Bench, tmp_path: Path
) -> None:
    """The session is not begun again, and is ended once."""
    successor = Bench(tmp_path, {"R": ("E1", "E2")})
    successor.hardware["E1"] = bench.hardware["E1"]

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        await asyncio.sleep(60)
        bench.journal.error = FULL
        await bench.tap("A")

    play(bench, story)
    assert bench.on_disk() == ["E1"]
    successor.memory = bench.runner.memory()

    async def later() -> None:
        await asyncio.sleep(RECORD_AGAIN_S)

    play(successor, later)

    assert successor.on_disk() == []
    assert successor.journal.changes == ["stop", "end"]
    assert successor.hardware["E1"].commands == ["enable", "disable"]


def test_several_inputs_are_handled_in_their_order(bench: Bench) -> None:
    """What comes while the disk is busy waits its turn, and nothing is lost."""

    async def story() -> None:
        await bench.plug()
        bench.journal.takes_s = 1
        for _ in range(2):
            bench.runner.post(MeterRead("E1", 1000))
        bench.runner.post(tapped("A"))
        for wh in range(1000, 6000, 500):
            bench.runner.post(MeterRead("E1", wh))
        bench.runner.post(CardLifted("front", "0"))
        await asyncio.sleep(100)
        await bench.tap("A")
        await bench.runner.drain()
        [(session, _)] = await asyncio.to_thread(sessions, bench)
        assert session.energy_wh == 4500

    play(bench, story)


def test_a_charger_that_refuses_ends_the_session_as_invalid(bench: Bench) -> None:
    """The tap hears of it, energy is switched off for sure, and the end is kept."""
    bench.hardware["E1"].failures["enable"] = [TransientDeviceError("relay stuck")]

    async def story() -> None:
        await bench.plug()
        tap = await bench.tap("A")
        assert bench.outcome(tap) == (Outcome.CHARGER_FAILED, None)

    play(bench, story)

    assert bench.hardware["E1"].commands == ["enable", "disable"]
    [(session, _)] = sessions(bench)
    assert session.status == "INVALID"


def test_a_charger_that_does_not_stop_is_told_until_it_does(bench: Bench) -> None:
    """The session stays open until the charger is met again and switched off."""
    charger = bench.hardware["E1"]

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        charger.state = ChargerState(
            Vehicle.CHARGING, enabled=True, wh=1000, fault=None
        )
        charger.failures["disable"] = [TransientDeviceError("no answer")] * 2
        await asyncio.sleep(60)
        tap = await bench.tap("A")
        assert bench.outcome(tap)[0] is Outcome.STOPPED
        assert charger.state.enabled
        await asyncio.sleep(60)
        assert not charger.state.enabled

    play(bench, story)

    assert charger.commands == ["enable", "disable", "disable", "disable"]
    [(session, _)] = sessions(bench)
    assert not session.end_estimated


# ---- asking ----------------------------------------------------------------------

UNLISTED: dict[str, Any] = {"modes": Modes(ask_unknown=True)}


def test_an_answer_in_time_decides(tmp_path: Path) -> None:
    """The reader shows that somebody is being asked; then the answer rules."""
    bench = Bench(tmp_path, **UNLISTED)
    bench.reply = Answer(upstream="cpo", verdict=Verdict.ALLOWED, token=token_of("A"))
    bench.reply_takes_s = 1.5

    async def story() -> None:
        await bench.plug()
        tap = await bench.tap("A", whitelist=None)
        await asyncio.sleep(0.2)
        assert bench.shown[-1] is Signal.CHECKING
        await asyncio.sleep(2)
        assert bench.outcome(tap)[0] is Outcome.STARTED

    play(bench, story)

    [(uid, timeout)] = bench.asked
    assert uid == uid_of("A")
    assert timeout == bench.settings.deadline - ANSWER_BEFORE + LATE_ANSWER


@pytest.mark.parametrize("late", [Verdict.ALLOWED, Verdict.BLOCKED])
def test_the_deadline_decides_before_a_late_answer(
    tmp_path: Path, late: Verdict
) -> None:
    """The driver hears within the deadline; what comes later changes no outcome."""
    bench = Bench(tmp_path, **UNLISTED)
    bench.reply = Answer(upstream="cpo", verdict=late, token=token_of("A"))
    bench.reply_takes_s = 3

    async def story() -> None:
        await bench.plug()
        tapped_at = asyncio.get_running_loop().time()
        tap = await bench.tap("A", whitelist=None)
        await asyncio.sleep(60)
        assert bench.outcome(tap) == (Outcome.REFUSED, Refusal.UNKNOWN_TOKEN)
        [refused] = [e for e in bench.events if e.outcome is Outcome.REFUSED]
        heard_s = refused.at.monotonic.total_seconds() - 3600 - tapped_at
        assert heard_s == pytest.approx(2, abs=0.01)

    play(bench, story)

    assert bench.hardware["E1"].commands == []


def test_asking_does_not_hold_up_the_next_driver(tmp_path: Path) -> None:
    """While one card waits for its answer another one starts elsewhere."""
    bench = Bench(tmp_path, TWO, **UNLISTED)
    bench.reply_takes_s = 10

    async def story() -> None:
        await bench.plug("E1")
        await bench.plug("E2")
        await bench.tap("A", whitelist=None)
        tap = await bench.tap("B", "side")
        assert bench.outcome(tap)[0] is Outcome.STARTED

    play(bench, story)


def test_a_bug_while_asking_is_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver is answered by the offline rules, and the station runs on."""
    bench = Bench(tmp_path, **UNLISTED)
    bench.reply = RuntimeError("a bug")

    async def story() -> None:
        await bench.plug()
        tap = await bench.tap("A", whitelist=None)
        assert bench.outcome(tap) == (Outcome.REFUSED, Refusal.UNKNOWN_TOKEN)
        tap = await bench.tap("B", whitelist=WhitelistType.ALLOWED)
        assert bench.outcome(tap)[0] is Outcome.STARTED

    play(bench, story)

    assert len([record for record in caplog.records if record.exc_info]) == 2


# ---- time and restart ------------------------------------------------------------


def test_a_grant_times_out_by_itself(bench: Bench) -> None:
    """Nobody plugs in: after a minute the grant ends once, without any input."""

    async def story() -> None:
        tap = await bench.tap("A")
        assert bench.outcome(tap)[0] is Outcome.GRANTED
        await asyncio.sleep(3600)
        [ended] = [e for e in bench.events if e.grant_id == tap]
        assert ended.outcome is Outcome.TIMED_OUT
        assert 60 <= ended.at.monotonic.total_seconds() - 3600 < 60.1

    play(bench, story)


def test_an_idle_station_sleeps(bench: Bench) -> None:
    """Without inputs and without deadlines no step is taken."""

    async def story() -> None:
        ids = bench._ids
        await asyncio.sleep(24 * 3600)
        assert bench._ids == ids

    play(bench, story)


def test_a_session_goes_on_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    """The same session, the same id, and its card still stops it."""
    successor = Bench(tmp_path)

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")

    play(bench, story)
    [(before, _)] = sessions(bench)
    successor.hardware["E1"].state = ChargerState(
        Vehicle.CHARGING, enabled=True, wh=1500, fault=None
    )

    async def later() -> None:
        assert successor.hardware["E1"].commands == ["enable"]
        await asyncio.sleep(10)
        tap = await successor.tap("A")
        assert successor.outcome(tap) == (Outcome.STOPPED, StopReason.LOCAL)

    play(successor, later)

    [(after, _)] = sessions(successor)
    assert (after.id, after.is_open) == (before.id, False)
    assert after.energy_wh == 500


def test_unplugging_ends_the_session(bench: Bench) -> None:
    """Without a card, with its own reason."""

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        bench.hardware["E1"].tell(Disconnected())
        await bench.settle()

    play(bench, story)

    [(session, _)] = sessions(bench)
    assert session.stop_reason is StopReason.EV_DISCONNECTED
    assert bench.hardware["E1"].commands == ["enable", "disable"]


def test_draining_finishes_what_was_tapped(bench: Bench) -> None:
    """Everything handed in before is done when `drain` returns."""

    async def story() -> None:
        await bench.plug()
        bench.journal.takes_s = 1
        bench.runner.post(tapped("A"))
        await bench.runner.drain()
        assert bench.on_disk() == ["E1"]
        await bench.ports["E1"].settle()
        assert bench.hardware["E1"].commands == ["enable"]

    play(bench, story)


def test_recording_the_rest_says_whether_all_is_kept(bench: Bench) -> None:
    """The last try before the agent stops."""

    async def story() -> None:
        assert await bench.runner.record_the_rest()
        await bench.plug()
        await bench.tap("A")
        await asyncio.sleep(60)
        bench.journal.error = FULL
        await bench.tap("A")
        assert not await bench.runner.record_the_rest()
        bench.journal.error = None
        assert await bench.runner.record_the_rest()

    play(bench, story)

    assert bench.on_disk() == []


def test_readings_are_recorded_at_most_every_minute(bench: Bench) -> None:
    """A meter that speaks every second costs one write a minute."""

    async def story() -> None:
        await bench.plug()
        await bench.tap("A")
        for second in range(1, 301):
            bench.runner.post(MeterRead("E1", 1000 + second))
            await asyncio.sleep(1)

    play(bench, story)

    changes = bench.journal.changes
    assert changes[0] == Change.START.value
    assert len(changes) <= 6

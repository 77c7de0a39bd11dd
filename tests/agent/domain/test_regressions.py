"""What once went wrong, one story each."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from agent.domain.messages import ChargerLost, EnergyDisabled
from agent.domain.outcomes import AuthMethod, EventKind, Signal
from agent.domain.policy import Modes, OfflineMode
from agent.domain.settings import Owner
from agent.domain.station import unreachable
from agent.domain.timeline import correct
from agent.domain.tokens import NoAnswer, Token, Verdict, WhitelistType
from tests.agent.domain.story import (
    LOCKOUT_S,
    ONE_EVSE,
    TWO_EVSES,
    TWO_READERS,
    Readers,
    Story,
    charging,
)
from tests.fakes.cards import token_of, uid_of

ALLOWED, NEVER = WhitelistType.ALLOWED, WhitelistType.NEVER
MINUTES_5 = 300


def _fleet(card: str, whitelist: WhitelistType = WhitelistType.ALWAYS) -> Token:
    return token_of(card, whitelist, group_id="FLEET")


def _unknown(readers: Readers = ONE_EVSE) -> Story:
    return Story(
        readers,
        cards={"X": None},
        modes=Modes(offline=OfflineMode.ALLOW_UNKNOWN),
        unknown_owner=Owner("cpo", "SE", "ABC"),
    )


# ---- answers reach no further than what was asked


def test_answer_about_one_reader_leaves_the_other_alone() -> None:
    """A backend names the EVSEs it was asked about, and means no others."""
    story = Story(TWO_READERS, cards={"A": token_of("A", ALLOWED)})
    story.charge("A", "E1", "left")
    story.verify("A", Verdict.ALLOWED, "E1")
    story.charge("A", "E2", "right")
    story.verify("A", Verdict.ALLOWED, "E2")
    assert story.ends == []


def test_refusal_for_this_place_leaves_the_other_alone() -> None:
    """NOT_ALLOWED is about the EVSEs in the question."""
    story = Story(TWO_READERS, cards={"A": token_of("A", ALLOWED)})
    story.charge("A", "E1", "left")
    story.charge("A", "E2", "right")
    story.verify("A", Verdict.NOT_ALLOWED)
    assert story.ends == ["E2 deauthorized"]


def test_answer_about_one_grant_leaves_the_other_alone() -> None:
    """Each grant was asked about at its own EVSEs."""
    story = Story(TWO_READERS, cards={"A": token_of("A", ALLOWED)})
    story.tap("A", "left")
    story.tap("A", "right")
    story.verify("A", Verdict.ALLOWED, "E2")
    story.plug("E1")
    assert story.told("A") == ["granted", "granted", "started E1"]


def test_two_sessions_of_an_unknown_card_are_verified_apart() -> None:
    """The answer about one does not end the other."""
    story = _unknown(TWO_READERS)
    for evse_uid, reader in (("E1", "left"), ("E2", "right")):
        story.plug(evse_uid)
        story.tap("X", reader)
        story.no_answer("X")
    story.upstream_up()
    story.verify("X", Verdict.ALLOWED, "E2")
    assert story.ends == []


def test_group_card_that_is_allowed_elsewhere_does_not_stop() -> None:
    """ALLOWED counts at the EVSEs that it names."""
    story = Story(cards={"A": _fleet("A"), "B": _fleet("B", NEVER)})
    story.charge("A")
    story.tap("B")
    story.answer("B", Verdict.ALLOWED, "E9")
    assert story.told("B") == ["refused wrong_evse"]
    assert story.enabled()


def test_group_card_stops_the_colleague_where_it_is_allowed() -> None:
    """Of two colleagues, the one at the EVSE that the answer names."""
    cards = {"A": _fleet("A"), "B": _fleet("B"), "C": _fleet("C", NEVER)}
    story = Story(TWO_EVSES, cards=cards)
    story.charge("A", "E1")
    story.charge("B", "E2")
    story.tap("C")
    story.answer("C", Verdict.ALLOWED, "E2")
    assert story.told("C") == ["stopped E2"]


def test_master_card_stops_only_where_it_is_allowed() -> None:
    """It is subject to its answer like every card."""
    story = Story(TWO_EVSES, cards={"M": _fleet("M", NEVER)}, master_group="FLEET")
    story.charge("A", "E1")
    story.charge("B", "E2")
    story.tap("M")
    story.answer("M", Verdict.ALLOWED, "E2")
    assert story.ends == ["E2 master"]
    story.pass_time(LOCKOUT_S)
    story.tap("M")
    story.answer("M", Verdict.ALLOWED, "E9")
    assert story.told("M") == ["stopped E2", "refused wrong_evse"]


def test_master_card_of_another_party_is_no_master() -> None:
    """Any eMSP may name a group like ours, if we have said whose it is."""
    cards = {"M": _fleet("M"), "N": replace(_fleet("N"), party_id="OTH")}
    story = Story(cards=cards, master_group="fleet", master_party="se*ems")
    story.charge("A")
    story.tap("N")
    assert story.told("N") == ["refused no_evse_available"]
    story.tap("M")
    assert story.told("M") == ["stopped E1"]


# ---- nobody is locked out


def test_dead_charger_does_not_lock_its_card_out() -> None:
    """Its stop was told; the card may charge at another EVSE."""
    story = Story(TWO_EVSES)
    story.charge("A", "E1")
    story.obedient = False
    story.tap("A")
    story.disobey("E1")
    story.obedient = True
    story.pass_time(LOCKOUT_S)
    story.plug("E2")
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1", "started E2"]


@pytest.mark.parametrize("after_s", [1, 61])
def test_card_works_again_as_soon_as_its_grant_has_ended(after_s: float) -> None:
    """The lockout of a grant does not outlive the grant."""
    story = Story(connection_timeout=timedelta(seconds=60))
    story.tap("A")
    story.pass_time(after_s)
    story.withdraw()
    story.tap("A")
    assert story.told("A")[-1] == "granted"


def test_time_out_within_the_lockout() -> None:
    """The card works again at once."""
    story = Story(connection_timeout=timedelta(seconds=3))
    story.tap("A")
    story.pass_time(3)
    story.tap("A")
    assert story.told("A") == ["granted", "timed_out", "granted"]


# ---- unknown cards are verified


def test_grant_of_an_unknown_card_is_verified_once_it_starts() -> None:
    """The upstream came back while it waited for its plug-in."""
    story = _unknown()
    story.tap("X")
    story.no_answer("X")
    story.upstream_up()
    story.plug()
    story.pass_time(1)
    story.verify("X", Verdict.BLOCKED)
    assert story.ends == ["E1 deauthorized"]


def test_unknown_card_is_verified_after_a_restart_by_itself() -> None:
    """The upstream is up at the start, so that nobody says that it is back."""
    story = _unknown()
    story.plug()
    story.tap("X")
    story.no_answer("X")
    story.restart()
    story.pass_time(1)
    assert len(story.verified) == 1
    story.verify("X")
    story.pass_time(24 * 3600)
    assert len(story.verified) == 1


def test_unknown_card_is_verified_when_the_backend_only_failed() -> None:
    """HTTP 500 is no answer, and nobody will say that the upstream is back."""
    story = _unknown()
    story.plug()
    story.tap("X")
    story.reply("X", NoAnswer("HTTP 500"))
    story.pass_time(MINUTES_5)
    story.reply_behind("X", NoAnswer("HTTP 500"))
    story.pass_time(MINUTES_5)
    assert len(story.verified) == 2
    story.verify("X", Verdict.UNKNOWN)
    assert story.ends == ["E1 deauthorized"]


# ---- somebody else's vehicle


def test_card_waits_for_its_own_plug_in_beside_a_vehicle_that_was_served() -> None:
    """A has charged and is still plugged in; B taps first and plugs in at E2."""
    story = Story(TWO_EVSES)
    story.charge("A", "E1")
    story.tap("A")
    story.tap("B")
    assert story.told("B") == ["granted"]
    story.plug("E2")
    assert story.told("B") == ["granted", "started E2"]


def test_card_that_was_asked_about_waits_beside_a_vehicle_that_was_served() -> None:
    """The same when its backend has to be asked."""
    story = Story(TWO_EVSES, cards={"B": token_of("B", NEVER)})
    story.charge("A", "E1")
    story.tap("A")
    story.tap("B")
    story.answer("B")
    assert story.told("B") == ["granted"]


def test_card_goes_on_with_its_own_vehicle_after_a_restart() -> None:
    """Whose vehicle it is does not depend on the power."""
    story = Story(TWO_EVSES)
    story.charge("A", "E1")
    story.restart()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1", "started E1"]


# ---- reload


@pytest.mark.parametrize("asked", [True, False], ids=["checked", "granted"])
@pytest.mark.parametrize("took_s", [0, 3, 100])
def test_reload_without_the_reader_of_a_waiting_card(
    asked: bool,  # noqa: FBT001 - a table
    took_s: float,
) -> None:
    """What was wanted there is over, once, however long the reload took."""
    cards = {"A": token_of("A", WhitelistType.ALLOWED_OFFLINE)} if asked else {}
    story = Story({"left": ("E1",), "right": ("E1",)}, cards=cards)
    story.tap("A", "left")
    story.shell.clock.move(timedelta(seconds=took_s))
    story.shell.reload(replace(story.shell.settings, readers={"right": ("E1",)}))
    story.plug()
    story.pass_time(100)
    assert len(story.told("A")) == (1 if asked else 2)
    assert story.rows == []


def test_reload_where_a_reader_serves_other_evses() -> None:
    """A grant for an EVSE that the reader has lost is over."""
    story = Story({"left": ("E1", "E2"), "right": ("E1",)})
    story.tap("A", "left")
    readers = {"left": ("E2",), "right": ("E1",)}
    story.shell.reload(replace(story.shell.settings, readers=readers))
    story.plug("E1")
    assert story.told("A") == ["granted", "withdrawn"]


def test_reload_keeps_what_still_has_its_place() -> None:
    """Sessions, grants and questions go on."""
    story = Story({"front": ("E1", "E2", "E3")}, cards={"C": token_of("C", NEVER)})
    story.charge("A", "E1")
    story.tap("B")
    story.tap("C")
    story.shell.reload(story.shell.settings)
    story.answer("C")
    story.plug("E2")
    story.plug("E3")
    assert story.told("B") == ["granted", "started E2"]
    assert story.told("C") == ["granted", "started E3"]
    assert story.enabled("E1")


def test_reload_shows_every_signal_anew() -> None:
    """The indicators are new, and know nothing."""
    story = charging()
    story.pass_time(10)
    story.shell.effects.clear()
    story.shell.reload(story.shell.settings)
    assert story.signal() is Signal.CHARGING


def test_unreachable_station_shows_every_signal_anew() -> None:
    """Also when nothing has changed in the meantime."""
    story = Story()
    story.shell.effects.clear()
    story.shell.ledger.shown.clear()
    story.shell.station = unreachable(story.shell.station)
    story.find()
    assert story.shown == [Signal.READY]


# ---- signals that time alone changes


def test_vehicle_that_waits_too_long_invites_nobody() -> None:
    """The reader stops asking for a card when a card would do nothing there."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    assert story.signal() is Signal.LOCKED
    story.pass_time(MINUTES_5)
    assert story.signal() is Signal.READY


def test_granted_card_at_a_faulted_evse_is_shown() -> None:
    """Where faults are ignored the reader works, and says so."""
    story = Story(ignore_faults=True)
    story.fault()
    story.tap("A")
    assert story.signal() is Signal.ACCEPTED


# ---- restarts


@pytest.mark.parametrize("lockout_s", [0, 5])
def test_card_lying_on_a_reader_that_opens_late(lockout_s: float) -> None:
    """However long the reader takes to open, and without any lockout, too."""
    story = Story(stop_lockout=timedelta(seconds=lockout_s))
    story.plug()
    story.lay("A")
    story.pass_time(60)
    story.restart()
    story.pass_time(60)
    story.lay("A", lying=True)
    assert story.told("A") == ["started E1", "ignored lockout"]
    assert story.enabled()


def test_card_laid_on_during_a_restart_starts() -> None:
    """It has no session, so that it can only mean one."""
    story = Story()
    story.plug()
    story.restart()
    story.lay("A", lying=True)
    assert story.told("A") == ["started E1"]


# ---- energy and the end of a session


def test_older_command_does_not_end_a_younger_session() -> None:
    """Each confirmation closes the session that it was for."""
    story = charging()
    story.obedient = False
    story.shell.boxes["E1"].connected = False
    story.shell.boxes["E1"].enabled = False
    story.restart()
    story.obey()
    story.shell.send(ChargerLost("E1"))
    story.find()
    story.plug()
    story.tap("B")
    story.pass_time(LOCKOUT_S)
    story.tap("B")
    story.shell.send(EnergyDisabled("E1", "S1", 1000))
    story.shell.send(EnergyDisabled("E1", None, 1000))
    assert story.told("B") == ["started E1"]
    assert [row.is_open for row in story.rows] == [False, True]
    story.obedient = True
    story.obey()
    assert story.told("B") == ["started E1", "stopped E1"]


def test_session_is_open_until_its_last_command_was_obeyed() -> None:
    """Start, stop, link lost and found, all before a slow charger did anything."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.withdraw()
    story.lose()
    story.find()
    assert story.rows[0].is_open
    while story.shell.boxes["E1"].commands:
        story.shell.obey("E1")
    assert not story.rows[0].is_open
    assert not story.enabled()


def test_grant_takes_the_vehicle_of_a_charger_found_delivering() -> None:
    """It is switched off, and then the grant is used."""
    story = Story()
    story.tap("A")
    story.lose()
    box = story.shell.boxes["E1"]
    box.connected = box.enabled = box.runaway = True
    story.find()
    assert story.told("A") == ["granted", "started E1"]
    assert story.enabled()


def test_stop_that_nobody_saw_is_dated_like_its_end() -> None:
    """A session does not end before it was stopped."""
    story = charging()
    story.pass_time(60)
    story.meter(1500)
    story.shell.boxes["E1"].connected = False
    story.restart()
    (row,) = story.rows
    assert row.stop_at == row.ended_at == row.meter_at


# ---- what events tell


def test_end_of_a_bound_grant_names_its_evse_and_its_method() -> None:
    """However it ends."""
    story = Story()
    story.tap("A")
    story.pass_time(60)
    story.tap("A")
    story.withdraw()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    ends = [event for event in story.events if event.grant_id]
    assert [event.outcome for event in ends] == ["timed_out", "withdrawn", "withdrawn"]
    for event in ends:
        assert (event.evse_uid, event.auth_method) == ("E1", AuthMethod.WHITELIST)


def test_events_of_a_recovered_session_name_its_card_and_reader() -> None:
    """Its charger fails, and its register lies."""
    story = charging()
    story.pass_time(60)
    story.meter(1500)
    story.obedient = False
    story.restart()
    story.meter(0)
    story.disobey()
    kinds = (EventKind.CHARGER_FAILED, EventKind.METER_IMPLAUSIBLE)
    told = [event for event in story.events if event.kind in kinds]
    assert len(told) == 2
    for event in told:
        assert (event.reader, event.uid) == ("front", uid_of("A"))


@pytest.mark.parametrize("free", [True, False], ids=["granted", "charging"])
def test_blocked_colleague_is_refused_where_tapping_does_not_stop(free: bool) -> None:  # noqa: FBT001 - a table
    """Nobody is shown green light for a card that may not charge."""
    cards = {"A": _fleet("A"), "B": replace(_fleet("B"), valid=False)}
    story = Story(cards=cards, tap_to_stop=False)
    if not free:
        story.plug()
    story.tap("A")
    story.tap("B")
    assert story.told("B") == ["refused invalid"]
    assert story.signal() is Signal.REFUSED


# ---- found by random histories


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

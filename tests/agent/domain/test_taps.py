"""What a tap means: one outcome each, by the first rule that fits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.domain.messages import CardUnread
from agent.domain.outcomes import Signal
from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.station import Owner
from agent.domain.tokens import Token, Verdict, WhitelistType
from agent.domain.uid import Technology, Uid
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of

ALLOWED_OFFLINE = token_of("A", WhitelistType.ALLOWED_OFFLINE)
NEVER = token_of("A", WhitelistType.NEVER)
ALLOWED = token_of("A", WhitelistType.ALLOWED)
BLOCKED = token_of("A", valid=False)
RANDOM, WRONG_LENGTH = "refused random_uid", "refused unreadable"


# ---- stopping


def test_18_same_card_stops() -> None:
    """The card that started a session stops it, and is told when energy is off."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.ends == ["E1 local"]
    assert not story.enabled()


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_19_20_each_card_stops_its_own(order: str) -> None:
    """Two sessions stop in any order, each by its own card."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    story.pass_time(6)
    for card in order:
        story.tap(card)
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.told("B") == ["started E2", "stopped E2"]
    assert story.ends == [f"{'E1' if card == 'A' else 'E2'} local" for card in order]


def test_24_tap_to_stop_off() -> None:
    """Every further tap says that the card is charging already."""
    story = Story(tap_to_stop=False)
    story.plug()
    story.tap("A")
    for _ in range(3):
        story.pass_time(6)
        story.tap("A")
    assert story.told("A") == ["started E1", *["ignored already_charging"] * 3]
    assert story.enabled()


@pytest.mark.parametrize(
    "now_listed",
    [BLOCKED, token_of("A", WhitelistType.NEVER, valid=False), None],
    ids=["blocked", "expired and never offline", "gone from the list"],
)
def test_30_card_that_may_no_longer_charge_still_stops(
    now_listed: Token | None,
) -> None:
    """Stopping one's own session needs no valid token and asks nobody."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.cards["A"] = now_listed
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.asked == []


def test_31_stop_with_the_network_down_and_the_whitelist_damaged() -> None:
    """A stop looks at nothing but the session."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A")
    story.pass_time(6)
    story.lookup_fails = True
    story.shell.disk_full = True
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert len(story.asked) == 1


def test_stop_before_the_charger_has_confirmed_the_start() -> None:
    """A tap during a slow start is told: started first, then stopped."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    assert story.told("A") == ["started E1"]
    story.obey()
    story.obey()
    assert story.told("A") == ["started E1", "stopped E1"]
    assert not story.enabled()


def test_tap_while_the_session_is_being_stopped() -> None:
    """A card whose stop is under way changes nothing and starts nothing."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.obedient = False
    story.tap("A")
    story.tap("A")
    story.obey()
    outcomes = ["started E1", "ignored already_in_process", "stopped E1"]
    assert story.told("A") == outcomes
    assert len(story.rows) == 1


# ---- time


def test_32_four_quick_taps() -> None:
    """One of them is granted and the rest are ignored."""
    story = Story()
    for _ in range(4):
        story.tap("A")
        story.pass_time(0.5)
    assert story.told("A") == ["granted", *["ignored lockout"] * 3]


def test_32_four_quick_taps_while_the_card_is_checked() -> None:
    """One of them is asked about and the rest are ignored."""
    story = Story(cards={"A": NEVER})
    for _ in range(4):
        story.tap("A")
        story.pass_time(0.1)
    story.answer("A")
    assert story.told("A") == [*["ignored already_in_process"] * 3, "granted"]
    assert len(story.asked) == 1


def test_37_card_left_lying_on_the_reader() -> None:
    """A card seen again without having been lifted does nothing, however long."""
    story = Story()
    story.plug()
    story.lay("A")
    for _ in range(5):
        story.pass_time(3600)
        story.lay("A")
    assert story.told("A") == ["started E1", *["ignored lockout"] * 5]
    assert story.enabled()


def test_37_refused_card_left_lying_on_the_reader() -> None:
    """A refused card that is seen again is not refused again."""
    story = Story(cards={"A": BLOCKED})
    story.lay("A")
    story.pass_time(3600)
    story.lay("A")
    assert story.told("A") == ["refused invalid", "ignored lockout"]


def test_38_card_seen_again_right_after_it_started() -> None:
    """A start at a plug-in opens the lockout, so that the next tap does not stop it."""
    story = Story()
    story.tap("A")
    story.pass_time(30)
    story.plug()
    story.tap("A")
    assert story.told("A") == ["granted", "started E1", "ignored lockout"]
    assert story.enabled()


@pytest.mark.parametrize(
    ("after_s", "outcome"), [(4.9, "ignored lockout"), (5, "stopped E1")]
)
def test_39_lifted_and_tapped_again(after_s: float, outcome: str) -> None:
    """The lockout ends on time and then a tap stops."""
    story = Story(stop_lockout=timedelta(seconds=5))
    story.plug()
    story.tap("A")
    story.pass_time(after_s)
    story.tap("A")
    assert story.told("A") == ["started E1", outcome]


def test_39_a_second_tap_needs_an_absence() -> None:
    """Time alone is not enough; a short absence after the lockout is."""
    story = Story()
    story.plug()
    story.lay("A")
    story.pass_time(60)
    story.lay("A")
    story.lift()
    story.lay("A")
    assert story.told("A") == ["started E1", "ignored lockout", "stopped E1"]


def test_40_another_card_within_the_lockout() -> None:
    """One person's lockout does not swallow the next person's card."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    assert story.told("B") == ["started E2"]


def test_lockout_holds_at_one_reader_only() -> None:
    """The same card is read at once by another reader."""
    story = Story({"left": ("E1",), "right": ("E2",)})
    story.plug("E1")
    story.plug("E2")
    story.tap("A", "left")
    story.tap("A", "right")
    assert story.told("A") == ["started E1", "started E2"]


# ---- asking


def test_59_driver_hears_within_the_deadline() -> None:
    """The offline rules decide at the deadline, and the late answer changes nothing."""
    story = Story(cards={"A": ALLOWED_OFFLINE, "B": NEVER})
    story.plug()
    story.tap("B")
    story.tap("A")
    story.pass_time(1.9)
    assert story.told("A") == story.told("B") == []
    story.pass_time(0.1)
    assert story.told("B") == ["refused offline_not_permitted"]
    assert story.told("A") == ["started E1"]
    story.answer("B")
    story.answer("A", Verdict.BLOCKED)
    assert len(story.told("A") + story.told("B")) == 2
    assert story.enabled()


def test_no_answer_decides_before_the_deadline() -> None:
    """A backend that is known to be down costs the driver no wait."""
    story = Story(cards={"A": ALLOWED_OFFLINE})
    story.plug()
    story.tap("A")
    story.no_answer("A")
    assert story.told("A") == ["started E1"]


def test_63_misconfigured_backend_is_not_offline() -> None:
    """A card that offline rules would allow is refused by a 401."""
    modes = Modes(offline=OfflineMode.ALLOW_UNKNOWN)
    story = Story(cards={"A": ALLOWED_OFFLINE, "X": None}, modes=modes)
    story.plug()
    for card in "AX":
        story.tap(card)
        story.misconfigured(card)
        assert story.told(card) == ["refused misconfigured"]


def test_second_answer_changes_nothing() -> None:
    """Only the first reply to a question counts."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A", Verdict.EXPIRED)
    story.answer("A")
    assert story.told("A") == ["refused expired"]
    assert not story.enabled()


@pytest.mark.parametrize("verdict", [one for one in Verdict if one != Verdict.ALLOWED])
def test_refusing_answer_leaves_nothing_behind(verdict: Verdict) -> None:
    """After a refusal the same card may try again at once."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A", verdict)
    story.tap("A")
    story.answer("A")
    assert story.told("A")[-1] == "started E1"


def test_local_first_asks_in_the_background() -> None:
    """A listed card starts at once, and its eMSP is asked without anybody waiting."""
    story = Story(cards={"A": ALLOWED})
    story.plug()
    story.tap("A")
    assert story.trail == [
        "tap.received",
        "record start E1",
        "enable E1",
        "revalidate A",
        "A started E1",
    ]


def test_online_first_asks_before_it_starts() -> None:
    """The same card waits for its answer when the mode says so."""
    story = Story(cards={"A": ALLOWED}, modes=Modes(OnlineMode.ONLINE_FIRST))
    story.plug()
    story.tap("A")
    assert story.trail == ["tap.received", "ask about A"]
    story.answer("A")
    assert story.told("A") == ["started E1"]


def test_question_names_the_available_evses() -> None:
    """The backend is asked about the EVSEs that could take a session."""
    story = Story({"front": ("E1", "E2", "E3")}, cards={"A": NEVER})
    story.fault("E2")
    story.tap("A")
    assert story.asked[0].evse_uids == ("E1", "E3")
    deadline = story.shell.clock.monotonic + story.shell.settings.deadline
    assert story.asked[0].deadline == deadline


def test_unknown_card_allowed_by_policy_is_flagged() -> None:
    """An unknown card starts offline only where the mode says so, and is marked."""
    modes = Modes(offline=OfflineMode.ALLOW_UNKNOWN)
    owner = Owner("cpo", "SE", "ABC")
    story = Story(cards={"X": None}, modes=modes, unknown_owner=owner)
    story.plug()
    story.tap("X")
    story.no_answer("X")
    assert story.told("X") == ["started E1"]
    assert story.rows[0].flagged
    assert (story.rows[0].upstream, story.rows[0].token.party_id) == ("cpo", "ABC")


def test_evse_taken_while_the_backend_was_thinking() -> None:
    """An answer that finds no EVSE left starts nothing."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.tap("B")
    story.answer("A")
    assert story.told("B") == ["started E1"]
    assert story.told("A") == ["refused no_evse_available"]


# ---- numbers that are no cards, and lookups that fail


@pytest.mark.parametrize(
    ("number", "technology", "outcome"),
    [
        ("08A1B2C3", Technology.ISO14443, RANDOM),
        ("04A1B2", Technology.ISO14443, WRONG_LENGTH),
        ("04A1B2C3", Technology.ISO15693, WRONG_LENGTH),
        ("04A1B2C3", Technology.EM4100, WRONG_LENGTH),
    ],
)
def test_67_68_numbers_that_identify_nobody(
    number: str, technology: Technology, outcome: str
) -> None:
    """They are refused even if listed, before anybody is asked."""
    story = Story()
    story.plug()
    story.present(Uid(number), token_of("A"), technology=technology)
    assert story.trail == ["tap.received", f"? {outcome}"]


def test_card_that_gave_no_number() -> None:
    """Something unreadable is a tap, too, and is refused."""
    story = Story()
    story.shell.send(CardUnread(tap_id="T1", reader="front"))
    assert [event.reason for event in story.events] == [None, "unreadable"]
    assert story.shown == [Signal.REFUSED]


def test_damaged_whitelist_never_allows() -> None:
    """A card that could not be looked up is refused and nobody is asked."""
    story = Story()
    story.lookup_fails = True
    story.plug()
    story.tap("A")
    assert story.told("A") == ["refused storage_failed"]
    assert story.asked == []


def test_driver_sees_what_happens() -> None:
    """Each stage of an asked card has its signal."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A")
    assert story.shown == [
        Signal.LOCKED,
        Signal.READING,
        Signal.CHECKING,
        Signal.ACCEPTED,
        Signal.CHARGING,
    ]

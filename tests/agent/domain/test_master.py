"""The master group: its cards stop everybody and start nothing."""

from __future__ import annotations

import pytest

from agent.domain.policy import Modes, OfflineMode
from agent.domain.settings import Owner
from agent.domain.tokens import Answer, Token, Verdict, WhitelistType
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, TWO_READERS, Story
from tests.fakes.cards import token_of

ALWAYS, NEVER = WhitelistType.ALWAYS, WhitelistType.NEVER
OFFLINE = WhitelistType.ALLOWED_OFFLINE
CANNOT_START = "refused master_cannot_start"


def _master(whitelist: WhitelistType = ALWAYS, *, valid: bool = True) -> Token:
    return token_of("M", whitelist, valid=valid, group_id="Caretaker")


def _story(
    readers: dict[str, tuple[str, ...]] | None = None,
    master: Token | None = None,
    **rules: object,
) -> Story:
    cards = {"M": master or _master()}
    readers = readers or {"front": ("E1", "E2")}
    return Story(readers, cards=cards, master_group="CARETAKER", **rules)


def test_26_master_stops_even_then() -> None:
    """With tap-to-stop off, too, and as often as needed."""
    story = _story(tap_to_stop=False)
    for _ in range(2):
        story.charge("A")
        story.tap("M")
        story.unplug()
        story.pass_time(LOCKOUT_S)
    assert story.told("M") == ["stopped E1"] * 2
    assert story.ends == ["E1 master"] * 2


@pytest.mark.parametrize("plugged", [True, False], ids=["plugged", "free"])
def test_27_master_never_starts(plugged: bool) -> None:  # noqa: FBT001 - a table
    """Neither at once nor at a plug-in."""
    story = _story()
    if plugged:
        story.plug()
    story.tap("M")
    story.plug("E2")
    assert story.told("M") == [CANNOT_START]
    assert story.rows == []


def test_27_master_never_starts_when_it_was_asked_about() -> None:
    """Not even when its eMSP says that it may charge."""
    story = _story(master=_master(NEVER))
    story.plug()
    story.tap("M")
    story.answer("M")
    assert story.told("M") == [CANNOT_START]


def test_27_master_known_only_from_the_answer_never_starts() -> None:
    """A card in no list is a master card as soon as its eMSP says so."""
    story = Story(cards={"M": None}, master_group="CARETAKER")
    story.plug()
    story.tap("M")
    told = Answer(upstream="cpo", verdict=Verdict.ALLOWED, token=_master())
    story.reply("M", told)
    assert story.told("M") == [CANNOT_START]


def test_27_master_never_starts_offline() -> None:
    """The offline rules allow the card and not what it is not for."""
    story = _story(master=_master(OFFLINE))
    story.plug()
    story.tap("M")
    story.no_answer("M")
    assert story.told("M") == [CANNOT_START]


def test_28_master_stops_although_an_evse_is_free() -> None:
    """A free EVSE, even with a vehicle, changes nothing."""
    story = _story()
    story.charge("A", "E1")
    story.plug("E2")
    story.tap("M")
    assert story.told("M") == ["stopped E1"]
    assert not story.enabled("E2")


def test_28_master_stops_every_session_of_the_reader_and_no_other() -> None:
    """The tap has one outcome, and each session ends for that reason."""
    story = _story({"both": ("E1", "E2"), "third": ("E3",)})
    story.charge("A", "E1", "both")
    story.charge("B", "E2", "both")
    story.charge("C", "E3", "third")
    story.tap("M", "both")
    assert story.told("M") == ["stopped E1"]
    assert story.ends == ["E1 master", "E2 master"]
    assert story.enabled("E3")


def test_28_master_stops_when_no_evse_is_free() -> None:
    """Rule 6 comes after."""
    story = _story(readers={"front": ("E1",)})
    story.charge("A")
    story.tap("M")
    assert story.told("M") == ["stopped E1"]


@pytest.mark.parametrize(
    ("master", "outcome"),
    [
        (_master(valid=False), "refused invalid"),
        (_master(OFFLINE, valid=False), "refused invalid"),
        (_master(NEVER), "refused offline_not_permitted"),
    ],
    ids=["blocked", "blocked offline", "nobody answers"],
)
def test_master_must_itself_be_allowed(master: Token, outcome: str) -> None:
    """A stolen master card that was blocked stops nobody."""
    story = _story(master=master)
    story.charge("A")
    story.tap("M")
    story.pass_time(2)
    assert story.told("M") == [outcome]
    assert story.enabled("E1")


def test_master_that_is_asked_about_stops_with_the_answer() -> None:
    """As every card that its eMSP wants to be asked about."""
    story = _story(master=_master(NEVER))
    story.charge("A")
    story.tap("M")
    assert story.enabled("E1")
    story.answer("M")
    assert story.told("M") == ["stopped E1"]


def test_master_with_a_damaged_whitelist_is_no_master() -> None:
    """A broken database allows nobody; each card still stops its own session."""
    story = _story()
    story.charge("A")
    story.lookup_fails = True
    story.cards["M"] = None
    story.tap("M")
    assert story.told("M") == ["refused storage_failed"]


def test_master_while_everything_is_being_stopped_already() -> None:
    """Nothing is stopped twice."""
    story = _story()
    story.charge("A")
    story.obedient = False
    story.tap("A")
    story.tap("M")
    assert story.told("M") == ["ignored already_in_process"]
    story.obey()
    assert story.ends == ["E1 local"]


def test_master_stops_what_has_not_quite_started() -> None:
    """The driver hears that it started, and the charger is switched off."""
    story = _story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.tap("M")
    story.obey()
    story.obey()
    assert story.told("A") == ["started E1"]
    assert story.told("M") == ["stopped E1"]
    assert not story.enabled()


def test_master_leaves_unused_grants_alone() -> None:
    """It stops sessions; who waits for a plug-in goes on waiting."""
    story = _story()
    story.tap("A")
    story.tap("M")
    story.plug()
    assert story.told("M") == [CANNOT_START]
    assert story.told("A") == ["granted", "started E1"]


def test_master_stops_when_the_disk_is_full() -> None:
    """Stopping needs no disk."""
    story = _story()
    story.charge("A")
    story.shell.disk_full = True
    story.tap("M")
    assert story.told("M") == ["stopped E1"]
    assert not story.enabled()


def test_without_a_master_group_nobody_is_a_master() -> None:
    """Cards without a group are not of the group without a name."""
    story = Story(TWO_EVSES, cards={"M": token_of("M", group_id="")})
    story.charge("A")
    story.tap("M")
    assert story.told("M") == ["granted"]


def test_unknown_card_allowed_offline_is_no_master() -> None:
    """Nobody has said of which group it is."""
    story = Story(
        TWO_READERS,
        cards={"X": None},
        master_group="CARETAKER",
        modes=Modes(offline=OfflineMode.ALLOW_UNKNOWN),
        unknown_owner=Owner("cpo", "SE", "ABC"),
    )
    story.charge("A", "E1", "left")
    story.plug("E2")
    story.tap("X", "right")
    story.no_answer("X")
    assert story.told("X") == ["started E2"]
    assert story.enabled("E1")

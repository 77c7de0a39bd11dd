"""Cards in no list that policy lets charge while nobody answers."""

from __future__ import annotations

from agent.domain.messages import Revalidate
from agent.domain.outcomes import EventKind
from agent.domain.policy import Modes, OfflineMode
from agent.domain.settings import Owner
from agent.domain.tokens import Misconfigured, NoAnswer, Reply, Verdict, WhitelistType
from tests.agent.domain.story import ONE_EVSE, Readers, Story
from tests.fakes.cards import token_of, uid_of

NO_ANSWERS: list[Reply] = [NoAnswer("HTTP 500"), Misconfigured("HTTP 401")]
MINUTES_5 = 300


def _unknown(readers: Readers = ONE_EVSE) -> Story:
    return Story(
        readers,
        cards={"X": None},
        modes=Modes(offline=OfflineMode.ALLOW_UNKNOWN),
        unknown_owner=Owner("cpo", "SE", "ABC"),
    )


def _charging() -> Story:
    story = _unknown()
    story.plug()
    story.tap("X")
    story.no_answer("X")
    assert story.told("X") == ["started E1"]
    return story


def test_64_unknown_card_is_verified_when_the_upstream_is_back() -> None:
    """It is asked about as what it is: a card in no list, at its EVSE."""
    story = _charging()
    story.upstream_up()
    assert story.verified == [Revalidate(uid_of("X"), None, ("E1",))]
    story.verify("X", Verdict.UNKNOWN)
    assert story.ends == ["E1 deauthorized"]


def test_64_unknown_card_is_verified_once_it_was_heard_of() -> None:
    """An answer ends the asking, and no answer does not."""
    story = _charging()
    for reply in NO_ANSWERS:
        story.upstream_up()
        story.reply_behind("X", reply)
    story.upstream_up()
    story.verify("X")
    story.upstream_up()
    assert len(story.verified) == 3
    assert story.enabled()


def test_64_unknown_card_is_verified_after_a_restart() -> None:
    """The mark is kept with the session."""
    story = _charging()
    story.restart()
    story.upstream_up()
    assert story.verified[-1] == Revalidate(uid_of("X"), None, ("E1",))
    story.verify("X", Verdict.BLOCKED)
    assert story.ends == ["E1 deauthorized"]


def test_64_unknown_card_that_has_gone_is_not_verified() -> None:
    """Its session is over; there is nothing to decide."""
    story = _charging()
    story.unplug()
    story.upstream_up()
    assert story.verified == []


def test_listed_cards_are_not_verified_when_the_upstream_is_back() -> None:
    """The list has spoken for them."""
    story = Story(cards={"A": token_of("A", WhitelistType.ALLOWED_OFFLINE)})
    story.plug()
    story.tap("A")
    story.pass_time(2)
    assert story.told("A") == ["started E1"]
    story.upstream_up()
    assert story.verified == []


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
    story = _charging()
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


def test_unknown_card_is_marked_in_all_that_is_told_of_it() -> None:
    """Grant, start and session say that nobody has vouched for the card."""
    story = _unknown()
    story.tap("X")
    story.no_answer("X")
    story.plug()
    marks = {event.kind: event.flagged for event in story.events}
    assert marks[EventKind.TOKEN_ACCEPTED]
    assert marks[EventKind.SESSION_STARTED]
    assert story.rows[0].flagged


def test_unknown_card_is_not_verified_while_its_charger_is_out_of_reach() -> None:
    """It could not be stopped; it is asked about as soon as it can."""
    story = _charging()
    story.lose()
    story.pass_time(3 * MINUTES_5)
    story.tap("B")
    assert story.verified == []
    story.find()
    story.pass_time(1)
    assert len(story.verified) == 1


def test_unknown_card_is_not_verified_while_it_is_being_stopped() -> None:
    """Whatever anybody says of it now, it will not charge."""
    story = _charging()
    story.obedient = False
    story.unplug()
    story.upstream_up()
    story.pass_time(3 * MINUTES_5)
    assert story.verified == []

"""A reload while a card waits whose session was told as PENDING."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from agent.domain.places import Place
from agent.domain.policy import Modes, OfflineMode
from agent.domain.sessions import SessionStatus
from agent.domain.settings import Owner
from agent.domain.tariffs import Tariff
from tests.agent.domain.story import Story
from tests.agent.domain.test_pending import LAPSED, TARIFF, row, waiting

LATER = Tariff(per_kwh=Decimal(99))
HERE, THERE = Place(location_id="LOC-1"), Place(location_id="LOC-2")


def test_a_reload_that_wants_no_announcements_still_ends_the_one_that_was_made() -> (
    None
):
    """Who was told of the grant is told what became of it."""
    story = waiting()
    story.shell.reload(replace(story.shell.settings, tell_grants=False))
    story.pass_time(60)
    assert story.recorded == LAPSED


def test_a_reload_does_not_announce_what_was_granted_before() -> None:
    """Its session begins with its start."""
    story = Story()
    story.tap("A")
    story.shell.reload(replace(story.shell.settings, tell_grants=True))
    story.plug()
    assert story.recorded == ["start S1 ACTIVE"]


def test_price_and_place_are_those_at_the_start() -> None:
    """A reload between tap and plug-in counts, one after it does not."""
    story = waiting(tariff=TARIFF, places={"E1": HERE})
    assert (row(story).tariff, row(story).place) == (TARIFF, HERE)
    new = {"tariff": LATER, "places": {"E1": THERE}}
    story.shell.reload(replace(story.shell.settings, **new))
    story.plug()
    assert (row(story).tariff, row(story).place) == (LATER, THERE)
    old = {"tariff": TARIFF, "places": {"E1": HERE}}
    story.shell.reload(replace(story.shell.settings, **old))
    story.unplug()
    assert (row(story).tariff, row(story).place) == (LATER, THERE)


def unknown(**rules: Any) -> Story:  # noqa: ANN401 - fields of Settings
    """Tell of a card in no list that waits for its vehicle by policy."""
    story = Story(
        cards={"X": None},
        modes=Modes(offline=OfflineMode.ALLOW_UNKNOWN),
        unknown_owner=Owner("cpo", "SE", "ABC"),
        **rules,
    )
    story.tap("X")
    story.no_answer("X")
    return story


def test_whoever_was_told_of_an_unknown_card_is_told_of_its_session() -> None:
    """Another owner since the reload is nobody to this grant."""
    story = unknown(tell_grants=True)
    owner = Owner("hub", "NL", "HUB")
    story.shell.reload(replace(story.shell.settings, unknown_owner=owner))
    story.plug()
    assert row(story).status is SessionStatus.ACTIVE
    assert (row(story).upstream, row(story).token.party_id) == ("cpo", "ABC")


@pytest.mark.parametrize("tell_grants", [True, False])
def test_an_unknown_card_that_nobody_owns_any_more_starts_nothing(
    tell_grants: bool,  # noqa: FBT001 - a table
) -> None:
    """A reload without the party to book on takes its grant back."""
    story = unknown(tell_grants=tell_grants)
    story.shell.reload(replace(story.shell.settings, unknown_owner=None))
    story.plug()
    assert story.told("X") == ["granted", "withdrawn"]
    assert not story.enabled()
    assert [one for one in story.rows if one.is_open] == []

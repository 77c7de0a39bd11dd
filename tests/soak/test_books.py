"""What the end of a soak finds wrong, and what it lets pass."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace

from tests.fakes.sessions import NOON, ended, session_of
from tests.soak.books import compare_energy, compare_reports, find_bad_lines
from tests.soak.chargers import Flow

if TYPE_CHECKING:
    from agent.domain.sessions import Session

SESSION: Final = ended(session_of("S1", energy_wh=700))
ESTIMATED: Final = replace(SESSION, end_estimated=True)
LATER: Final = NOON + timedelta(minutes=1)


def report(status: str, energy_wh: int) -> dict[str, Any]:
    """Tell something of the session."""
    return {"status": status, "kwh": energy_wh / 1000}


BEGIN: Final = report("ACTIVE", 0)
UPDATE: Final = report("ACTIVE", 400)
END: Final = report("COMPLETED", 700)


@pytest.mark.parametrize(
    "told", [[BEGIN, END], [BEGIN, UPDATE, END], [BEGIN, BEGIN, UPDATE, END, END]]
)
def test_a_story_with_an_end_is_whole(told: list[dict[str, Any]]) -> None:
    """Repetitions are those of a lost answer."""
    assert compare_reports([SESSION], {"S1": told}) == []


@pytest.mark.parametrize(
    "told",
    [
        [END],
        [BEGIN, UPDATE],
        [BEGIN, END, BEGIN, END],
        [UPDATE, BEGIN, END],
        [BEGIN, report("COMPLETED", 701)],
        [BEGIN, report("INVALID", 700)],
    ],
)
def test_a_broken_story_is_found(told: list[dict[str, Any]]) -> None:
    """No start, no end, two ends, energy that falls, another end than in the books."""
    assert compare_reports([SESSION], {"S1": told})


@pytest.mark.parametrize("told", [{}, {"S1": [BEGIN, END], "S2": [BEGIN, END]}])
def test_a_session_too_few_or_too_many_is_found(told: dict[str, Any]) -> None:
    """The books and the backend know the same sessions."""
    assert compare_reports([SESSION], told)


@pytest.mark.parametrize(
    ("session", "flow"),
    [
        (SESSION, Flow(LATER, 1000, 1700)),
        (SESSION, Flow(LATER, 1000, 1709, doubtful_wh=9)),
        (ESTIMATED, Flow(LATER, 1000, 1900)),
    ],
)
def test_energy_that_flowed_is_that_of_the_session(
    session: Session, flow: Flow
) -> None:
    """Exactly; but for what the world cannot tell, and what nobody has read."""
    assert compare_energy([session], [flow]) == []


@pytest.mark.parametrize(
    ("sessions", "flow"),
    [
        ([SESSION], Flow(LATER, 1000, 1701)),
        ([SESSION], Flow(LATER, 1000, 1699)),
        ([SESSION], Flow(LATER, 1000, 1710, doubtful_wh=9)),
        ([ESTIMATED], Flow(LATER, 1000, 1699)),
        ([SESSION], Flow(LATER, 1000)),
        ([SESSION], Flow(NOON - timedelta(minutes=1), 1000, 1700)),
        ([], Flow(LATER, 1000, 1000)),
    ],
)
def test_energy_that_is_another_is_found(sessions: list[Session], flow: Flow) -> None:
    """Too little, too much, without an end, or for nobody."""
    assert compare_energy(sessions, [flow])


@pytest.mark.parametrize(("after_s", "is_right"), [(0.05, True), (0.5, False)])
def test_sessions_in_the_blink_of_an_eye_share_a_flow(
    after_s: float,
    is_right: bool,  # noqa: FBT001 - a table
) -> None:
    """The world has not seen energy go off between them; else it would have."""
    assert SESSION.ended_at is not None
    begun = replace(
        SESSION.ended_at, wall=SESSION.ended_at.wall + timedelta(seconds=after_s)
    )
    second = ended(session_of("S2", energy_wh=300, started_at=begun))
    found = compare_energy([SESSION, second], [Flow(LATER, 1000, 2000)])
    assert (found == []) is is_right


def test_errors_in_the_log_are_found() -> None:
    """All but that of the bad file that the daemon is given on purpose."""
    expected = "12:00:00 ERROR   reload refused, nothing has changed:\n"
    bug = "12:00:01 ERROR   reader nfc: something went wrong"
    assert find_bad_lines(f"{expected}{bug}\n12:00:02 INFO    ready: ERROR") == [bug]

"""The checks find what they are there for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from tests.fakes.sessions import NOON, ended, session_of
from tests.torture.backend import Put
from tests.torture.chargers import Flow
from tests.torture.checks import check_energy, check_reports

if TYPE_CHECKING:
    from agent.domain.sessions import Session

SESSION: Final = ended(session_of("S1", energy_wh=700, evse_uid="E1"))
HOUR: Final = timedelta(hours=1)


def put(
    status: str, energy_wh: int, *, name: str = "", session_id: str = "S1", **body: str
) -> Put:
    """Tell something of a session; each status has a correlation id of its own."""
    told = {
        "status": status,
        "kwh": energy_wh / 1000,
        "start_date_time": "2026-03-01T12:00:01Z",
        "end_date_time": "2026-03-01T13:00:00Z",
        "last_updated": "2026-03-01T13:00:00Z",
        "evse_uid": "E1",
        "cdr_token": "A",
    }
    return Put(session_id, name or f"{status} {energy_wh}", told | body)


BEGIN: Final = put("ACTIVE", 0)
UPDATE: Final = put("ACTIVE", 400)
END: Final = put("COMPLETED", 700)


@pytest.mark.parametrize(
    "puts",
    [
        [BEGIN, END],
        [BEGIN, UPDATE, END],
        [BEGIN, BEGIN, UPDATE, END, END],
    ],
)
def test_a_story_with_repetitions_is_whole(puts: list[Put]) -> None:
    """An answer that was lost makes a report come twice, and that is all."""
    check_reports([SESSION], {"S1": puts})


@pytest.mark.parametrize(
    "puts",
    [
        pytest.param([END], id="no start"),
        pytest.param([BEGIN, UPDATE], id="no end"),
        pytest.param([END, BEGIN], id="end before start"),
        pytest.param([BEGIN, END, BEGIN], id="start after end"),
        pytest.param([BEGIN, UPDATE, BEGIN, END], id="an old report again"),
        pytest.param([BEGIN, END, put("COMPLETED", 700, name="x")], id="two ends"),
        pytest.param([BEGIN, END, put("COMPLETED", 710)], id="two different ends"),
        pytest.param(
            [BEGIN, put("ACTIVE", 400, name="ACTIVE 0"), END], id="one id, two reports"
        ),
        pytest.param([BEGIN, put("ACTIVE", 800), END], id="energy falls"),
        pytest.param([BEGIN, put("COMPLETED", 650)], id="other energy than the books"),
        pytest.param(
            [put("ACTIVE", 0, last_updated="2026-03-01T14:00:00Z"), END],
            id="time falls",
        ),
        pytest.param(
            [put("ACTIVE", 0, start_date_time="2026-03-01T12:00:02Z"), END],
            id="another start",
        ),
        pytest.param([put("ACTIVE", 0, cdr_token="B"), END], id="another card"),
    ],
)
def test_a_story_that_is_not_whole_is_found(puts: list[Put]) -> None:
    """What was told of a session must be ACTIVE, and then its one end."""
    with pytest.raises(AssertionError):
        check_reports([SESSION], {"S1": puts})


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="never told"),
        pytest.param({"S1": [BEGIN, END], "S2": [BEGIN, END]}, id="told twice"),
        pytest.param({"S2": [BEGIN, END]}, id="told under another id"),
    ],
)
def test_another_set_of_sessions_is_found(told: dict[str, list[Put]]) -> None:
    """The backend knows the sessions of the books, and no others."""
    with pytest.raises(AssertionError):
        check_reports([SESSION], told)


def flow(begins: timedelta, on_wh: int, off_wh: int | None) -> Flow:
    """Let energy flow some time after noon."""
    return Flow(on_at=NOON + begins, on_wh=on_wh, off_wh=off_wh)


def test_energy_is_what_the_register_moved() -> None:
    """Two times in which energy flowed for one session add up."""
    flows = [flow(HOUR, 0, 300), flow(2 * HOUR, 300, 700)]
    check_energy([SESSION], flows)


@pytest.mark.parametrize(
    "flows",
    [
        pytest.param([flow(HOUR, 0, 699)], id="less flowed"),
        pytest.param([flow(HOUR, 0, 701)], id="more flowed"),
        pytest.param([flow(HOUR, 0, None)], id="it still flows"),
        pytest.param([], id="none flowed"),
        pytest.param([flow(-HOUR, 0, 700)], id="it flowed before the session"),
        pytest.param(
            [flow(HOUR, 0, 700), flow(10 * HOUR, 700, 800)], id="it flowed again"
        ),
    ],
)
def test_other_energy_is_found(flows: list[Flow]) -> None:
    """Not a Wh may be missing, or be there twice."""
    with pytest.raises(AssertionError):
        check_energy([SESSION], flows)


@pytest.mark.parametrize(
    ("moved_wh", "durable_wh", "fits"),
    [(900, 650, True), (900, 700, True), (900, 701, False), (699, 650, False)],
)
def test_an_estimated_end_hides_what_was_not_durable_and_no_more(
    moved_wh: int, durable_wh: int, *, fits: bool
) -> None:
    """It says at least what was on disk, and at most what has flowed."""
    estimated = _estimated(SESSION)
    flows = [flow(HOUR, 0, moved_wh)]
    if fits:
        check_energy([estimated], flows, {"S1": durable_wh})
    else:
        with pytest.raises(AssertionError):
            check_energy([estimated], flows, {"S1": durable_wh})


def _estimated(session: Session) -> Session:
    return replace(session, end_estimated=True)

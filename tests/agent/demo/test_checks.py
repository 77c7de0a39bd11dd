"""The tour's checks: each finds what must be, and notices when it is not so."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from agent.demo import checks
from agent.demo.cards import ADA, CARDS, CLEO, make_contract_id, make_tokens
from agent.demo.checks import Check, Finding, View
from agent.demo.guide import Guide, Step
from agent.demo.memory import Memory, Objection
from agent.demo.objects import CdrToken, Session
from agent.demo.station import StationDownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.demo.stage import Stage

E1 = "SE*ABC*E1"
GRANTED = {
    "event": "token.accepted",
    "card": "Ada",
    "outcome": "granted",
    "decided_by": "whitelist",
}
STARTED = {"event": "session.started", "session_id": "S-1", "evse_uid": E1}
UNPLUGGED = {"event": "session.stopped", "reason": "ev_disconnected"}
TAPPED_OFF = {**UNPLUGGED, "reason": "local", "outcome": "stopped"}


class FakeStation:
    """Tells what it is given."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.status: dict[str, Any] = {}

    def ask(self, command: str) -> dict[str, Any]:
        """Answer as the control socket would."""
        assert command == "status"
        return self.status

    def metered(self, evse_uid: str) -> list[dict[str, Any]]:
        """Show the charger's log."""
        assert evse_uid == E1
        return self.log


class FakeStage:
    """A station and a real memory, without a process and a server."""

    def __init__(self) -> None:
        answers = {card.uid: card.allowed for card in CARDS if card.allowed}
        self.station = FakeStation()
        self.memory = Memory(make_tokens(), answers, ["LOC-1"])
        self.server = SimpleNamespace(port=0)

    def see(self, check: Check) -> Finding:
        """Look once, with everything that is there."""
        return check.look(View(cast("Stage", self)))

    def report(self, status: str, kwh: float = 0.0) -> None:
        """Let the backend have a state of Ada's session."""
        ended = {"end_date_time": "2026-01-01T01:00:00Z"}
        session = Session(
            country_code="SE",
            party_id="ABC",
            id="S-1",
            start_date_time="2026-01-01T00:00:00Z",
            kwh=kwh,
            cdr_token=CdrToken(
                country_code="NL",
                party_id="DMO",
                uid=ADA.uid,
                type="RFID",
                contract_id=make_contract_id(ADA),
            ),
            auth_method="WHITELIST",
            location_id="LOC-1",
            evse_uid=E1,
            connector_id="1",
            currency="EUR",
            status="ACTIVE",
            last_updated="2026-01-01T00:00:00Z",
        )
        changes = {"status": status} | (ended if status == "COMPLETED" else {})
        fields = {**msgspec.to_builtins(session), **changes}
        self.memory.keep(msgspec.convert(fields, Session))


@pytest.fixture
def stage() -> FakeStage:
    """Begin with nothing."""
    return FakeStage()


@pytest.mark.parametrize(
    ("events", "ok"),
    [
        ([GRANTED], True),
        ([{"event": "tap.received", "card": "Ada"}, GRANTED], True),
        ([], False),
        ([{**GRANTED, "card": "Bo"}], False),
        ([{**GRANTED, "outcome": "refused"}], False),
        ([{**GRANTED, "decided_by": "realtime"}], False),
        ([GRANTED, GRANTED], False),
        ([GRANTED, {**GRANTED, "outcome": "withdrawn"}], False),
    ],
)
def test_a_tap_has_this_outcome_and_no_other(
    stage: FakeStage, events: list[dict[str, Any]], *, ok: bool
) -> None:
    """One outcome, of this card, with these facts."""
    stage.station.events += events
    check = checks.tells(ADA, "granted", decided_by="whitelist")
    assert stage.see(check).ok is ok


@pytest.mark.parametrize(
    ("events", "ok"),
    [
        ([STARTED, UNPLUGGED], True),
        ([STARTED], False),
        ([{**UNPLUGGED, "reason": "fault"}], False),
        ([TAPPED_OFF], False),
        ([UNPLUGGED, UNPLUGGED], False),
    ],
)
def test_a_session_ends_without_a_tap(
    stage: FakeStage, events: list[dict[str, Any]], *, ok: bool
) -> None:
    """One end, for this reason, that no tap has asked for."""
    stage.station.events += events
    assert stage.see(checks.ends("ev_disconnected")).ok is ok


@pytest.mark.parametrize(
    ("vehicle", "wh", "at_least", "ok"),
    [
        ("connected", 7400, 7400, True),
        ("connected", 7399, 7400, False),
        ("connected", None, 7400, False),
        ("absent", 7400, 7400, False),
        ("connected", None, None, True),
        ("connected", 0, None, False),
    ],
)
def test_status_shows_vehicle_and_energy(
    stage: FakeStage, vehicle: str, wh: int | None, at_least: int | None, *, ok: bool
) -> None:
    """Without `at_least_wh` there must be no session."""
    evse = {"uid": E1, "vehicle": vehicle, "energy_wh": wh}
    stage.station.status = {"evses": [evse]}
    check = checks.shows(E1, vehicle="connected", at_least_wh=at_least)
    assert stage.see(check).ok is ok


@pytest.mark.parametrize(
    ("waiting", "refused", "ok"), [(2, 0, True), (1, 0, False), (2, 1, False)]
)
def test_the_outbox_is_counted(
    stage: FakeStage, waiting: int, refused: int, *, ok: bool
) -> None:
    """As many wait as must, and none was refused."""
    stage.station.status = {"outbox": {"waiting": waiting, "refused": refused}}
    assert stage.see(checks.waiting(2)).ok is ok


def test_questions_are_counted(stage: FakeStage) -> None:
    """Once is once, and a question about Cleo is none about Ada."""
    asked, silent = checks.asked(CLEO, "ALLOWED"), checks.not_asked()
    never = checks.never_asked(ADA)
    assert not stage.see(asked).ok
    assert stage.see(silent).ok
    stage.memory.answer(CLEO.uid.lower(), "RFID")
    assert stage.see(asked).ok
    assert not stage.see(checks.asked(CLEO, "BLOCKED")).ok
    assert not stage.see(silent).ok
    assert stage.see(never).ok
    stage.memory.answer(ADA.uid, "RFID")
    assert not stage.see(asked).ok
    assert not stage.see(never).ok


@pytest.mark.parametrize(
    ("told", "ok"),
    [
        (["ACTIVE", "COMPLETED"], True),
        (["ACTIVE", "ACTIVE", "COMPLETED"], True),
        ([], False),
        (["ACTIVE"], False),
        (["COMPLETED"], False),
        (["COMPLETED", "ACTIVE"], False),
    ],
)
def test_reports_come_in_order(stage: FakeStage, told: list[str], *, ok: bool) -> None:
    """The states must be these, however often each was told."""
    stage.station.events.append(STARTED)
    for status in told:
        stage.report(status)
    assert stage.see(checks.reported(ADA, "WHITELIST", "ACTIVE", "COMPLETED")).ok is ok
    assert not stage.see(checks.reported(CLEO, "WHITELIST", *told or ["ACTIVE"])).ok
    assert not stage.see(checks.reported(ADA, "AUTH_REQUEST", *told or ["ACTIVE"])).ok


@pytest.mark.parametrize(
    ("kwh", "switches", "ok"),
    [
        (7.4, [(False, 5), (True, 100), (True, 900), (False, 7500)], True),
        (7.4, [(True, 0), (False, 50), (True, 100), (False, 7500)], True),
        (7.4, [(True, 100), (False, 7501)], False),
        (0.0, [(True, 100), (False, 100)], False),
        (7.4, [(True, 100)], False),
        (7.4, [], False),
    ],
)
def test_energy_is_what_the_meter_says(
    stage: FakeStage, kwh: float, switches: list[tuple[bool, int]], *, ok: bool
) -> None:
    """The charger's last flow counts, to the Wh, and there must have been one."""
    stage.station.events.append(STARTED)
    stage.station.log = [{"enabled": on, "wh": wh} for on, wh in switches]
    stage.report("COMPLETED", kwh)
    assert stage.see(checks.metered(E1)).ok is ok


def test_an_objection_is_found(stage: FakeStage) -> None:
    """A broken rule anywhere spoils the tour."""
    assert stage.see(checks.finds_no_fault()).ok
    stage.memory.object_to(Objection("PUT put_session", "kwh: expected a number"))
    finding = stage.see(checks.finds_no_fault())
    assert finding == Finding(ok=False, text="PUT put_session: kwh: expected a number")


# ---- the guide ----------------------------------------------------------------------


def walk(stage: FakeStage, *steps: Step) -> list[tuple[Finding, ...]]:
    """Take steps without patience."""
    guide = Guide(cast("Stage", stage), threading.Event(), within_s=0)
    return [result.findings for result in guide.walk(steps, lambda _: None)]


def grant(stage: Stage) -> None:
    """Let the agent tell of a grant."""
    stage.station.events.append(GRANTED)


def nothing(_: Stage) -> None:
    """Let nothing happen."""


def break_down(_: Stage) -> None:
    """Find the agent gone."""
    raise StationDownError("gone")


def test_a_step_sees_its_own_events_only(stage: FakeStage) -> None:
    """What came of the step before does not count."""
    check = checks.tells(ADA, "granted")
    [first, second] = walk(
        stage, Step("tap", grant, check), Step("wait", nothing, check)
    )
    assert [finding.ok for finding in (*first, *second)] == [True, False]


@pytest.mark.parametrize("do", [nothing, break_down])
def test_a_step_that_fails_does_not_stop_the_tour(
    stage: FakeStage, do: Callable[[Stage], None]
) -> None:
    """The next step is taken all the same."""
    check = checks.tells(ADA, "granted")
    [first, second] = walk(stage, Step("fail", do, check), Step("tap", grant, check))
    assert [finding.ok for finding in (*first, *second)] == [False, True]


def test_what_comes_late_is_waited_for(stage: FakeStage) -> None:
    """News are looked at until the time is up."""
    looks = iter([False, False, True])
    check = Check("third time", lambda _: Finding(next(looks), "looked"))
    guide = Guide(cast("Stage", stage), threading.Event(), within_s=30)
    [result] = guide.walk([Step("wait", nothing, check)], lambda _: None)
    assert result.ok

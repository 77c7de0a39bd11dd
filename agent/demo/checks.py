"""What must happen in a step of the tour, and how to see whether it did."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.demo.cards import make_contract_id
from agent.demo.server import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.demo.cards import Card
    from agent.demo.memory import Question
    from agent.demo.objects import Session
    from agent.demo.stage import Stage


class Finding(NamedTuple):
    """What there is, and whether that is what must be."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must happen; `look` is called until it is so, or time is up."""

    must: str
    look: Callable[[View], Finding]


@dataclass(frozen=True, slots=True)
class View:
    """All there is to see, and where the present step began."""

    stage: Stage
    first_event: int = 0
    first_question: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the agent has told in this step."""
        return self.stage.station.events[self.first_event :]

    @property
    def questions(self) -> list[Question]:
        """What the backend was asked in this step."""
        return self.stage.memory.questions[self.first_question :]

    @property
    def history(self) -> list[Session]:
        """What the backend has of the session that the agent told of last."""
        sessions = self.stage.memory.sessions
        for event in reversed(self.stage.station.events):
            if "session_id" in event:
                return list(sessions.get(event["session_id"], ()))
        return []


# ---- at the station -----------------------------------------------------------------


def tells(card: Card, outcome: str, **facts: str) -> Check:
    """The step has one outcome, this one; `facts` are more fields of its event."""
    wanted = {"card": card.name, "outcome": outcome, **facts}

    def look(view: View) -> Finding:
        told = [event for event in view.events if "outcome" in event]
        ok = len(told) == 1 and wanted.items() <= told[0].items()
        seen = [_describe(event, wanted) for event in told]
        return Finding(ok, "; ".join(seen) or "no outcome")

    return Check(_describe(wanted, wanted), look)


def _describe(event: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Write an event in one line, no further than what is wanted of it."""
    text = f"{event.get('card', '?')}: {event['outcome']}"
    if "reason" in event:
        text += f" ({event['reason']})"
    if "evse_uid" in wanted and "evse_uid" in event:
        text += f" at {event['evse_uid']}"
    if "decided_by" in wanted and "decided_by" in event:
        text += f", decided by {event['decided_by']}"
    return text


def ends(reason: str) -> Check:
    """A session ends without a tap, for this reason."""

    def look(view: View) -> Finding:
        told = [e for e in view.events if e["event"] == "session.stopped"]
        reasons = [event["reason"] for event in told if "outcome" not in event]
        return Finding(
            reasons == [reason], f"session ended: {', '.join(reasons) or 'not yet'}"
        )

    return Check(f"session ended: {reason}", look)


def shows(evse_uid: str, *, vehicle: str, at_least_wh: int | None = None) -> Check:
    """`status` says this of an EVSE; `at_least_wh` is None when no session is on."""

    def look(view: View) -> Finding:
        status = view.stage.station.ask("status")
        evse = next(item for item in status["evses"] if item["uid"] == evse_uid)
        wh = evse["energy_wh"]
        enough = wh is None if at_least_wh is None else (wh or 0) >= at_least_wh
        session = "no session" if wh is None else f"{wh / 1000:g} kWh so far"
        found = f"vehicle {evse['vehicle']}, {session}"
        return Finding(evse["vehicle"] == vehicle and enough, found)

    session = "no session"
    if at_least_wh is not None:
        session = f"at least {at_least_wh / 1000:g} kWh so far"
    return Check(f"vehicle {vehicle}, {session}", look)


def waiting(reports: int) -> Check:
    """So many reports wait in the outbox, and none was refused."""

    def look(view: View) -> Finding:
        outbox = view.stage.station.ask("status")["outbox"]
        ok = outbox == {"waiting": reports, "refused": 0}
        found = f"outbox: {outbox['waiting']} waiting"
        return Finding(ok, f"{found}, {outbox['refused']} REFUSED" if not ok else found)

    return Check(f"outbox: {reports} waiting", look)


# ---- at the backend -----------------------------------------------------------------


def asked(card: Card, answer: str) -> Check:
    """The backend is asked once, about this card."""

    def look(view: View) -> Finding:
        asked = [(item.uid.casefold(), item.answer) for item in view.questions]
        answers = ", ".join(item.answer for item in view.questions)
        found = f"backend asked, says {answers}" if answers else "backend not asked"
        return Finding(asked == [(card.uid.casefold(), answer)], found)

    return Check(f"backend asked, says {answer}", look)


def not_asked() -> Check:
    """No question reaches the backend in this step."""

    def look(view: View) -> Finding:
        count = len(view.questions)
        return Finding(not count, "backend ASKED" if count else "backend not asked")

    return Check("backend not asked", look)


def never_asked(card: Card) -> Check:
    """No question about this card has ever reached the backend."""

    def look(view: View) -> Finding:
        everything = view.stage.memory.questions
        count = sum(item.uid.casefold() == card.uid.casefold() for item in everything)
        return Finding(not count, f"backend asked about {card.name} {count} times")

    return Check(f"backend asked about {card.name} 0 times", look)


def reported(card: Card, auth_method: str, *statuses: str) -> Check:
    """The backend has the session in these states, booked on this card.

    A state may have been told several times, as the meter moved.
    """
    contract_id = make_contract_id(card)

    def look(view: View) -> Finding:
        found = _describe_history(
            [status for status, _ in groupby(item.status for item in view.history)],
            {item.auth_method for item in view.history},
            {item.cdr_token.contract_id for item in view.history},
        )
        return Finding(found == must, found)

    must = _describe_history(statuses, {auth_method}, {contract_id})
    return Check(must, look)


def _describe_history(
    statuses: Sequence[str], methods: set[str], contract_ids: set[str]
) -> str:
    if not statuses:
        return "backend has no session"
    booked = ", ".join([*sorted(methods), *sorted(contract_ids)])
    return f"backend has {' + '.join(statuses)} ({booked})"


def metered(evse_uid: str) -> Check:
    """The backend's energy is what the charger has written down itself."""

    def look(view: View) -> Finding:
        reported_wh = round(view.history[-1].kwh * 1000) if view.history else 0
        metered_wh = _last_flow_wh(view.stage.station.metered(evse_uid))
        found = f"backend has {reported_wh / 1000:.3f} kWh"
        if reported_wh != metered_wh:
            found += f", the meter {metered_wh / 1000:.3f} kWh"
        return Finding(reported_wh == metered_wh > 0, found)

    return Check("backend has the meter's kWh", look)


def _last_flow_wh(log: list[dict[str, Any]]) -> int:
    """Energy between the last two times that a charger was switched on and off."""
    switched = [
        line
        for before, line in pairwise([{"enabled": False}, *log])
        if line["enabled"] != before["enabled"]
    ]
    if len(switched) % 2 or not switched:
        return 0
    *_, on, off = switched
    return int(off["wh"] - on["wh"])


def finds_no_fault() -> Check:
    """The backend has never found fault with a request."""

    def look(view: View) -> Finding:
        faults = [
            f"{item.request}: {item.rule}" for item in view.stage.memory.objections
        ]
        return Finding(not faults, "; ".join(faults) or "backend finds no fault")

    return Check("backend finds no fault", look)


def refuses() -> Check:
    """A connection to the backend is refused."""

    def look(view: View) -> Finding:
        try:
            socket.create_connection((HOST, view.stage.server.port), timeout=1).close()
        except ConnectionRefusedError:
            return Finding(ok=True, text="backend refuses connections")
        return Finding(ok=False, text="backend accepts connections")

    return Check("backend refuses connections", look)

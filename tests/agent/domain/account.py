"""What came of a story, in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.messages import (
    AskUpstream,
    DisableEnergy,
    EnableEnergy,
    Event,
    Record,
    Revalidate,
    Show,
    Withdrawn,
)
from agent.domain.outcomes import EventKind, Outcome, Signal
from agent.domain.uid import Uid
from tests.fakes.cards import name_of, uid_of

if TYPE_CHECKING:
    from agent.domain.sessions import Session
    from tests.agent.domain.shell import Shell


class Account:
    """Reads what a shell has done so far, or since its effects were cleared."""

    shell: Shell

    def told(self, card: str) -> list[str]:
        """Every outcome this card and its grants have had, in order."""
        return [
            say(event)
            for event in self.events
            if event.outcome and event.uid == uid_of(card)
        ]

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        return [one for one in self.shell.effects if isinstance(one, Event)]

    @property
    def asked(self) -> list[AskUpstream]:
        """All questions put to backends."""
        return [one for one in self.shell.effects if isinstance(one, AskUpstream)]

    @property
    def verified(self) -> list[Revalidate]:
        """All questions put to backends in the background."""
        return [one for one in self.shell.effects if isinstance(one, Revalidate)]

    @property
    def shown(self) -> list[Signal]:
        """All signals shown at any reader."""
        return [one.signal for one in self.shell.effects if isinstance(one, Show)]

    @property
    def ends(self) -> list[str]:
        """Where and why sessions ended."""
        return [
            f"{event.evse_uid} {event.reason}"
            for event in self.events
            if event.kind is EventKind.SESSION_STOPPED
        ]

    @property
    def recorded(self) -> list[str]:
        """What was made durable, in order: why, of which session, and its state."""
        return [
            f"{one.change.value} {one.session.id} {one.session.status}"
            for one in self.shell.effects
            if isinstance(one, Record)
        ]

    @property
    def rows(self) -> list[Session]:
        """The sessions on disk in the order of their start."""
        return list(self.shell.disk.values())

    def session(self, evse_uid: str = "E1") -> Session | None:
        """Give the session that runs at an EVSE."""
        return self.shell.station.evses[evse_uid].session

    def enabled(self, evse_uid: str = "E1") -> bool:
        """Say whether energy can flow at an EVSE."""
        return self.shell.boxes[evse_uid].enabled

    @property
    def trail(self) -> list[str]:
        """Everything done, one phrase each, signals left out."""
        return [said for effect in self.shell.effects if (said := phrase(effect))]

    @property
    def withdrawn(self) -> list[tuple[int, int, int]]:
        """How many waiting cards, grants and sessions each withdrawal has found."""
        return [
            (one.waiting, one.grants, one.sessions)
            for one in self.shell.effects
            if isinstance(one, Withdrawn)
        ]

    def signal(self, reader: str = "front") -> Signal:
        """Give the last signal that was shown at a reader."""
        return self.shell.ledger.shown[reader]


def say(event: Event) -> str:
    """Name an outcome, and why or where if that is told."""
    match event.outcome:
        case Outcome.REFUSED | Outcome.IGNORED:
            return f"{event.outcome} {event.reason}"
        case Outcome.STARTED | Outcome.STOPPED:
            return f"{event.outcome} {event.evse_uid}"
        case _:
            return f"{event.outcome}"


def phrase(effect: object) -> str | None:
    """Name anything that is done; signals are left out."""
    match effect:
        case Event(kind=kind, outcome=None):
            return f"{kind}"
        case Event(uid=Uid() as uid):
            return f"{name_of(uid)} {say(effect)}"
        case _:
            return _phrase_of_deed(effect)


def _phrase_of_deed(effect: object) -> str | None:
    match effect:
        case Record(change, session):
            return f"record {change.value} {session.evse_uid}"
        case EnableEnergy(evse_uid, _):
            return f"enable {evse_uid}"
        case DisableEnergy(evse_uid):
            return f"disable {evse_uid}"
        case AskUpstream(uid=uid):
            return f"ask about {name_of(uid)}"
        case Revalidate(uid):
            return f"revalidate {name_of(uid)}"
        case _:
            return None

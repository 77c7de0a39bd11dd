"""Stories: a few lines that tell what drivers, vehicles and backends do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agent.domain.messages import (
    Answered,
    AskUpstream,
    CardLifted,
    CardTapped,
    ChargerCleared,
    ChargerFaulted,
    DisableEnergy,
    EnableEnergy,
    Event,
    MeterRead,
    ReadersStarting,
    Record,
    Revalidate,
    Show,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.domain.outcomes import EventKind, Outcome, Signal
from agent.domain.station import Settings
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
)
from agent.domain.uid import Technology, Uid
from tests.agent.domain.shell import Shell
from tests.fakes.cards import name_of, token_of, uid_of

if TYPE_CHECKING:
    from agent.domain.sessions import Session

Readers = Mapping[str, tuple[str, ...]]

ONE_EVSE: Readers = {"front": ("E1",)}
TWO_EVSES: Readers = {"front": ("E1", "E2")}


class Story:
    """A station on a fake clock; every card may charge unless `cards` says otherwise.

    Chargers obey at once while `obedient`; else a test lets each command succeed or
    fail. What the drivers are told is read with `told`, everything done with `trail`.
    """

    def __init__(
        self,
        readers: Readers = ONE_EVSE,
        *,
        cards: Mapping[str, Token | None] | None = None,
        **rules: Any,  # noqa: ANN401 - fields of Settings
    ) -> None:
        self.shell = Shell(Settings(readers=dict(readers), **rules))
        self.cards = dict(cards or {})
        self.obedient = True
        self.lookup_fails = False
        self._taps = 0
        for evse_uid in self.shell.evse_uids:
            self.find(evse_uid)
        self.shell.effects.clear()

    # ---- drivers and their cards

    def tap(self, card: str, reader: str = "front") -> None:
        """Hold a card to a reader and take it away."""
        self.lay(card, reader)
        self.lift(reader)

    def lay(self, card: str, reader: str = "front") -> None:
        """Lay a card on a reader, or let a reader see it again."""
        token = self.cards.get(card, token_of(card))
        self.present(uid_of(card), token, reader)

    def present(
        self,
        uid: Uid,
        token: Token | None = None,
        reader: str = "front",
        technology: Technology = Technology.ISO14443,
    ) -> None:
        """Let a reader read any number at all."""
        self._taps += 1
        tapped = CardTapped(
            tap_id=f"T{self._taps}",
            reader=reader,
            slot="0",
            uid=uid,
            technology=technology,
            token=token,
            lookup_failed=self.lookup_fails,
        )
        self.shell.send(tapped)
        self._let_chargers_work()

    def lift(self, reader: str = "front") -> None:
        """Take the card away."""
        self.shell.send(CardLifted(reader, "0"))

    # ---- vehicles and chargers

    def plug(self, evse_uid: str = "E1") -> None:
        """Plug a vehicle in."""
        self.shell.boxes[evse_uid].connected = True
        self.shell.send(VehicleConnected(evse_uid))
        self._let_chargers_work()

    def unplug(self, evse_uid: str = "E1") -> None:
        """Unplug the vehicle."""
        self.shell.boxes[evse_uid].connected = False
        self.shell.send(VehicleDisconnected(evse_uid))
        self._let_chargers_work()

    def fault(self, evse_uid: str = "E1") -> None:
        """Make a charger report a fault."""
        self.shell.boxes[evse_uid].fault = "GFCI"
        self.shell.send(ChargerFaulted(evse_uid, "GFCI"))
        self._let_chargers_work()

    def clear(self, evse_uid: str = "E1") -> None:
        """Make the fault go away."""
        self.shell.boxes[evse_uid].fault = None
        self.shell.send(ChargerCleared(evse_uid))
        self._let_chargers_work()

    def meter(self, wh: int, evse_uid: str = "E1") -> None:
        """Let the register show this."""
        self.shell.boxes[evse_uid].wh = wh
        self.shell.send(MeterRead(evse_uid, wh))

    def obey(self, evse_uid: str = "E1") -> None:
        """Let a slow charger carry out its oldest command."""
        self.shell.obey(evse_uid)
        self._let_chargers_work()

    def disobey(self, evse_uid: str = "E1") -> None:
        """Let a charger fail at its oldest command."""
        self.shell.disobey(evse_uid)
        self._let_chargers_work()

    def lose(self, evse_uid: str = "E1") -> None:
        """Cut the link to a charger."""
        self.shell.lose(evse_uid)

    def find(self, evse_uid: str = "E1") -> None:
        """Meet a charger as it is."""
        self.shell.find(evse_uid)
        self._let_chargers_work()

    def restart(self, dark_s: float = 60) -> None:
        """Cut the power for a while; chargers keep their state unless a test says."""
        self.shell.restart(timedelta(seconds=dark_s))
        for evse_uid in self.shell.evse_uids:
            self.find(evse_uid)
        self.shell.send(ReadersStarting())

    def _let_chargers_work(self) -> None:
        for evse_uid, box in self.shell.boxes.items():
            while self.obedient and box.commands:
                self.shell.obey(evse_uid)

    # ---- backends and time

    def answer(
        self, card: str, verdict: Verdict = Verdict.ALLOWED, *evse_uids: str
    ) -> None:
        """Answer the latest question about a card."""
        limit = frozenset(uid.casefold() for uid in evse_uids)
        token = self.cards.get(card) or token_of(card)
        self.reply(
            card,
            Answer(upstream="cpo", verdict=verdict, token=token, evse_uids=limit),
        )

    def no_answer(self, card: str) -> None:
        """Fail to answer the latest question about a card."""
        self.reply(card, NoAnswer("connection refused"))

    def misconfigured(self, card: str) -> None:
        """Turn the station away instead of answering."""
        self.reply(card, Misconfigured("HTTP 401"))

    def reply(self, card: str, reply: Reply) -> None:
        """Reply anything to the latest question about a card."""
        tap_id = [ask.tap_id for ask in self.asked if ask.uid == uid_of(card)][-1]
        self.shell.send(Answered(tap_id, reply))
        self._let_chargers_work()

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.shell.pass_time(timedelta(seconds=seconds))
        self._let_chargers_work()

    # ---- what came of it

    def told(self, card: str) -> list[str]:
        """Every outcome this card and its grants have had, in order."""
        return [
            _say(event)
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
        return [phrase for effect in self.shell.effects if (phrase := _phrase(effect))]


def _say(event: Event) -> str:
    match event.outcome:
        case Outcome.REFUSED | Outcome.IGNORED:
            return f"{event.outcome} {event.reason}"
        case Outcome.STARTED | Outcome.STOPPED:
            return f"{event.outcome} {event.evse_uid}"
        case _:
            return f"{event.outcome}"


def _phrase(effect: object) -> str | None:
    match effect:
        case Event(kind=kind, outcome=None):
            return f"{kind}"
        case Event(uid=Uid() as uid):
            return f"{name_of(uid)} {_say(effect)}"
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

"""The backends: they answer late or never, and keep the last word on every session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.domain.tokens import Answer, Token, Verdict
from agent.ocpi.station import StationIdentity
from agent.ocpi.v221 import encode_session
from agent.store.outbox import decode_session
from tests.simulation.cards import TENANTS_MAY_USE, Kind
from tests.simulation.clock import wire_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from agent.domain.reports import Report
    from agent.domain.sessions import Session
    from agent.domain.uid import Uid
    from tests.simulation.world import World

_ANSWER_LOST: Final = 0.01
_FAILS: Final = 0.005
_LATE: Final = 0.01
_DATES: Final = ("start_date_time", "end_date_time", "last_updated")
_ROUNDED_S: Final = 2.0
_DAY_S: Final = 86_400.0
_STATION: Final = StationIdentity(
    country_code="SE",
    party_id="ABC",
    location_id="LOC-1",
)
#: The rules' max_wait, less what a run needs to begin.
_WAITS_FOR_TIME_S: Final = 290.0


class Line(Enum):
    """What a request meets."""

    UP = "up"
    REFUSING = "refusing"
    SILENT = "silent"
    FAILING = "failing"


@dataclass(eq=False, slots=True)
class Told:
    """What a backend knows of a session: the last word, as bytes, and how it came."""

    encoded: bytes
    wire: bytes
    last_at: float
    statuses: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def session(self) -> Session:
        """What the agent meant to tell."""
        return decode_session(self.encoded)

    @property
    def body(self) -> dict[str, Any]:
        """What was told."""
        return decode_body(self.wire)


def decode_body(wire: bytes) -> dict[str, Any]:
    """Read what was put."""
    body: dict[str, Any] = msgspec.json.decode(wire)
    return body


class Backend:
    """One party's backend, an eMSP of its own."""

    def __init__(self, world: World, name: str, party: tuple[str, str]) -> None:
        self.name = name
        self.party = party
        self.sessions: dict[str, Told] = {}
        self._line = Line.UP
        #: When nothing could be had of it, network included; the last may last.
        self.outages: list[list[float]] = []
        self._world = world
        self._chance = world.chance(f"backend {name}")

    @property
    def condition(self) -> Line:
        """What a request meets that leaves the station now."""
        network = self._world.network
        return network if network is not Line.UP else self._line

    def become(self, line: Line | None = None) -> None:
        """Let the backend itself be in some condition, or note that of the network."""
        self._line = line or self._line
        now = self._world.now()
        is_out = bool(self.outages) and len(self.outages[-1]) == 1
        if self.condition is Line.UP and is_out:
            self.outages[-1].append(now)
        elif self.condition is not Line.UP and not is_out:
            self.outages.append([now])

    async def travel(self) -> Line:
        """Take a request there; SILENT never returns."""
        line = self.condition
        if line is Line.SILENT:
            await asyncio.Event().wait()
        if line is Line.REFUSING:
            await asyncio.sleep(0.01)
            return line
        late = self._chance.random() < _LATE
        range_s = (1.5, 7.0) if late else (0.05, 0.6)
        await asyncio.sleep(self._chance.uniform(*range_s))
        if line is Line.FAILING or self._chance.random() < _FAILS:
            return Line.FAILING
        return Line.UP

    async def answer_back(self) -> bool:
        """Let an answer travel; say whether it arrives."""
        if self.condition is Line.SILENT:
            await asyncio.Event().wait()
        return self.condition is not Line.REFUSING and (
            self._chance.random() >= _ANSWER_LOST
        )

    # ---- what it knows --------------------------------------------------------------

    def authorize(self, uid: Uid) -> Answer:
        """Say what a card may."""
        now = self._world.now()
        card = self._world.cards_by_uid.get(uid.value)
        if card is None or card.upstream != self.name or card.token(now) is None:
            return Answer(upstream=self.name, verdict=Verdict.UNKNOWN)
        verdict = card.verdict(now)
        if verdict is Verdict.UNKNOWN:
            return Answer(upstream=self.name, verdict=verdict)
        only = TENANTS_MAY_USE if card.kind is Kind.TENANT else frozenset[str]()
        return Answer(
            upstream=self.name,
            verdict=verdict,
            token=card.token(now, asked=True),
            evse_uids=frozenset(uid.casefold() for uid in only),
        )

    def listed(self, date_from: datetime | None) -> list[Token]:
        """List the tokens that may be tapped here, or those that have changed since."""
        now = self._world.now()
        tokens = [
            card.token(now)
            for card in self._world.cards
            if card.upstream == self.name and card.rights.whitelist is not None
        ]
        return [
            token
            for token in tokens
            if token and (date_from is None or token.last_updated >= date_from)
        ]

    def put(self, report: Report, since: float) -> None:
        """Take a session as it is now, and see whether that can be.

        `since` is when the agent that tells it was started.
        """
        session, now = report.session, self._world.now()
        encoded, wire = (
            msgspec.json.encode(session),
            encode_session(session, _STATION, ()),
        )
        body = decode_body(wire)
        told = self.sessions.setdefault(session.id, Told(encoded, wire, now))
        told.problems += _find_contradictions(told, body)
        told.problems += self._find_wrong_dates(told, session, body)
        if now - since < _WAITS_FOR_TIME_S and self._world.clock.could_wait(session):
            told.problems.append("told before its time could be known")
        told.encoded, told.wire, told.last_at = encoded, wire, now
        if told.statuses[-1:] != [body["status"]]:
            told.statuses.append(body["status"])

    def _find_wrong_dates(
        self, told: Told, session: Session, body: dict[str, Any]
    ) -> Iterator[str]:
        """Say what cannot be the time of anything."""
        clock, now = self._world.clock, self._world.now()
        ahead_s = clock.worst_error_s(0, now) + 1
        dates, earlier = (
            {key: wire_seconds(one[key]) for key in _DATES if key in one}
            for one in (body, told.body)
        )
        for key, at in dates.items():
            known = clock.last_known_before(session.started_at)
            if not known - ahead_s <= at <= now + ahead_s:
                yield f"{key} {at - now:+.0f} s from now"
        if dates["last_updated"] < earlier["last_updated"] - ahead_s:
            yield f"{earlier['last_updated'] - dates['last_updated']:.0f} s younger"
        moved_s = dates["start_date_time"] - earlier["start_date_time"]
        if clock.is_known(told.session.started_at, told.last_at) and abs(moved_s) > 1:
            yield f"its start moved {moved_s:+.0f} s"
        if session.ended_at is not None:
            lasts_s = dates["end_date_time"] - dates["start_date_time"]
            (_, hours) = body["charging_periods"][0]["dimensions"]
            wrong_s = _ROUNDED_S + clock.worst_error_s(now - lasts_s - _DAY_S, now)
            if lasts_s < 0 or abs(hours["volume"] * 3600 - lasts_s) > wrong_s:
                yield f"lasts {lasts_s:.0f} s and {hours['volume']} h"


def _find_contradictions(told: Told, body: dict[str, Any]) -> Iterator[str]:
    """Say what cannot follow what was told before."""
    before = told.body
    if body["status"] == "ACTIVE" and told.statuses not in ([], ["ACTIVE"]):
        yield "active again after its end"
    if not told.statuses and body["status"] != "ACTIVE":
        yield f"first heard of as {body['status']}"
    if body["kwh"] < before["kwh"]:
        yield f"energy fell from {before['kwh']} to {body['kwh']}"
    if body["cdr_token"] != before["cdr_token"]:
        yield "another card"
    if body["evse_uid"] != before["evse_uid"]:
        yield "another EVSE"

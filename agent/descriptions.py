"""The station's parts as `status` and the listings show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.domain.instant import ocpi_datetime
from agent.domain.transforms import CANDIDATES, NOTHING, UidTransform
from agent.domain.uid import (
    Alias,
    Technology,
    Uid,
    UidProblem,
    aliases_of,
    find_problem,
)
from agent.registrations import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from agent.card_readers import SeenCard
    from agent.domain.station import Evse
    from agent.store.whitelist import Whitelist
    from agent.upstreams import UpstreamPort

_ALIASES: Final = (
    [Alias.REVERSED],
    [Alias.DECIMAL],
    [Alias.DECIMAL, Alias.REVERSED],
)


def describe_upstream(upstream: UpstreamPort) -> dict[str, Any]:
    """Show who a backend is and what was agreed with it, as far as that is known."""
    backend = upstream.connection.backend
    registration = backend.memory.registration
    party = backend.their_party
    return {
        "name": upstream.name,
        "version": backend.version,
        "party": str(party) if party else None,
        "registration": state_of(registration),
    }


def describe_whitelist(
    whitelist: Whitelist, upstreams: Iterable[UpstreamPort]
) -> list[dict[str, Any]]:
    """Show what each backend has listed, and how fresh that is; blocks on the disk."""
    rows = []
    for upstream in upstreams:
        if not upstream.has_tokens:
            continue
        state = whitelist.sync_state(upstream.name)
        rows.append(
            {
                "upstream": upstream.name,
                "tokens": whitelist.count_of(upstream.name),
                "synchronized_at": _moment(state.synchronized_at),
                "swept_at": _moment(state.swept_at),
            }
        )
    return rows


def _moment(at: datetime | None) -> str | None:
    return None if at is None else ocpi_datetime(at)


def _describe_vehicle(evse: Evse) -> str:
    if evse.plugged_at is None:
        return "absent"
    return "charging" if evse.drawing else "connected"


def describe_evse(evse: Evse) -> dict[str, Any]:
    """Show what an EVSE does."""
    session = evse.session
    return {
        "uid": evse.uid,
        "reachable": evse.reachable,
        "vehicle": _describe_vehicle(evse),
        "fault": evse.fault,
        "session_id": session.id if session else None,
        "started_at": ocpi_datetime(session.started_at.wall) if session else None,
        "energy_wh": session.energy_wh if session else None,
        "meter_wh": evse.wh,
    }


def describe_card(seen: SeenCard) -> dict[str, Any]:
    """Show a card as it reads, for the installer who holds it."""
    uid = seen.uid or Uid("")
    return {
        "reader": seen.reader,
        "technology": seen.technology.value if seen.raw else "",
        "uid": uid.value,
        "reversed": bytes.fromhex(uid.value)[::-1].hex().upper(),
        "decimal": str(int(uid.value, 16)) if uid.value else "",
        "problem": seen.problem or _explain_problem(uid, seen.technology),
    }


def describe_spellings(seen: SeenCard, whitelist: Whitelist) -> dict[str, Any]:
    """Show what a card could be called, and which of it is listed.

    `configuration` is the line to write for a reader that gives it this way; none
    where nothing has to change.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, uid, technology, configuration in _spell(seen):
        row = {
            "spelling": name,
            "uid": uid.value,
            "listed": bool(whitelist.find(uid)),
            "configuration": configuration,
            "problem": "" if technology is None else _explain_problem(uid, technology),
        }
        rows.setdefault(uid.value, row)
    return {
        "reader": seen.reader,
        "technology": seen.read_as.value,
        "spellings": list(rows.values()),
        "problem": seen.problem,
    }


def _spell(seen: SeenCard) -> Iterator[tuple[str, Uid, Technology | None, str]]:
    """Name each spelling, its kind of card, and what to configure for it."""
    if not seen.raw:
        return
    raw = Uid.from_bytes(seen.raw)
    if seen.uid not in (None, raw):
        yield "as configured", seen.uid, seen.technology, ""
    for name, transform in CANDIDATES.items():
        try:
            uid = Uid.from_bytes(transform.apply(seen.raw))
        except ValueError:
            continue
        technology = transform.technology_of(seen.read_as)
        if transform is NOTHING:
            line = "" if seen.uid == raw else "uid = {}"
            yield name, uid, technology, line
        elif not find_problem(uid, technology):
            yield name, uid, technology, _write_transform(transform)
    # Other spellings in the lists are those of the number that the reader gives now.
    for kinds in _ALIASES:
        names = ", ".join(f'"{kind}"' for kind in kinds)
        line = f"[authorization] also_match = [{names}]"
        for uid in aliases_of(seen.uid or raw, kinds):
            yield " and ".join(kinds), uid, None, line


def _write_transform(transform: UidTransform) -> str:
    """Write the line of the reader's table, nothing for nothing."""
    keys = [
        f"{name} = {msgspec.json.encode(value).decode()}"
        for name, value in msgspec.structs.asdict(transform).items()
        if value != getattr(NOTHING, name)
    ]
    return f"uid = {{ {', '.join(keys)} }}" if keys else ""


def _explain_problem(uid: Uid, technology: Technology) -> str:
    advice = {
        UidProblem.RANDOM: "a random number (a phone): it can never be authorized",
        UidProblem.WRONG_LENGTH: "no card has a number of this length",
        None: "",
    }
    return advice[find_problem(uid, technology)]

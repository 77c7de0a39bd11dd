"""The station's parts as `status` and the listings show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.domain.instant import ocpi_datetime
from agent.domain.uid import Technology, Uid, UidProblem, find_problem
from agent.registrations import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from agent.domain.station import Evse
    from agent.store.whitelist import Whitelist
    from agent.upstreams import UpstreamPort


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
    }


def describe_card(reader: str, uid: Uid, technology: Technology) -> dict[str, Any]:
    """Show a card as it reads, for the installer who holds it."""
    problem = find_problem(uid, technology)
    pairs = [uid.value[index : index + 2] for index in range(0, len(uid.value), 2)]
    advice = {
        UidProblem.RANDOM: "a random number (a phone): it can never be authorized",
        UidProblem.WRONG_LENGTH: "no card has a number of this length",
        None: "",
    }
    return {
        "reader": reader,
        "technology": technology.value,
        "uid": uid.value,
        "reversed": "".join(reversed(pairs)),
        "decimal": str(int(uid.value, 16)) if uid.value else "",
        "problem": advice[problem],
    }

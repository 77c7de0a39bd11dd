"""What must be true in the end: the books, the chargers and the backend agree."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from tests.torture.checks import copied_journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from agent.domain.sessions import Session
    from tests.soak.chargers import Flow, SoakCharger

_BAD: Final = re.compile(r" (?:ERROR|CRITICAL) |Traceback|Exception|never retrieved")
#: The world looks twice as often; what happens faster it takes for one flow.
_BLINK: Final = timedelta(milliseconds=100)
#: A bad file is given to it on purpose.
_EXPECTED: Final = ("reload refused, nothing has changed",)
_VARYING: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|\d+")


def find_wrong(
    state: Path, chargers: Iterable[SoakCharger], told: Mapping[str, Sequence[Any]]
) -> list[str]:
    """Compare the journal of a daemon that has ended with all that is known."""
    with copied_journal(state) as journal:
        wrong = [f"not told: {entry}" for entry in journal.outbox.entries()]
        wrong += [f"is open: {one.id}" for one in journal.open_sessions()]
        rows = journal.sessions(limit=1_000_000)
    wrong += [f"a card is remembered: {one.id}" for one, _ in rows if one.card]
    sessions = [session for session, _ in rows]
    wrong += compare_reports(sessions, told)
    for charger in chargers:
        here = [one for one in sessions if one.evse_uid == charger.evse]
        wrong += compare_energy(here, charger.flows)
    return wrong


def count_sessions(state: Path) -> Counter[str]:
    """Count the sessions by EVSE, and those whose end is estimated."""
    with copied_journal(state) as journal:
        sessions = [one for one, _ in journal.sessions(limit=1_000_000)]
    counts = Counter(session.evse_uid for session in sessions)
    counts["estimated"] = sum(session.end_estimated for session in sessions)
    counts["suspect"] = sum(session.meter_suspect for session in sessions)
    counts["Wh"] = sum(session.energy_wh for session in sessions)
    return counts


def find_bad_lines(log: str) -> list[str]:
    """Return the lines of the log that speak of a bug."""
    return [
        line
        for line in log.splitlines()
        if _BAD.search(line) and not any(text in line for text in _EXPECTED)
    ]


def count_lines(log: str, most: int = 40) -> list[tuple[int, str]]:
    """Count the lines of the log by their kind, the most frequent first."""
    kinds = Counter(_VARYING.sub("#", line[9:]) for line in log.splitlines())
    return [(count, kind) for kind, count in kinds.most_common(most)]


def compare_reports(
    sessions: Iterable[Session], told: Mapping[str, Sequence[Any]]
) -> list[str]:
    """Each session was told under its id: ACTIVE, then the end of the books, once.

    What comes twice in a row is the same, as when an answer was lost.
    """
    books = {session.id: session for session in sessions}
    wrong = [f"never told: {one}" for one in books.keys() - told.keys()]
    wrong += [f"told and not in the books: {one}" for one in told.keys() - books.keys()]
    for session_id in books.keys() & told.keys():
        reports = [report for report, _ in groupby(told[session_id])]
        statuses = [report["status"] for report in reports]
        energies = [report["kwh"] for report in reports]
        before = ["ACTIVE"] * max(1, len(statuses) - 1)
        if statuses != [*before, books[session_id].status]:
            wrong.append(f"{session_id}: told as {statuses}")
        if energies != sorted(energies):
            wrong.append(f"{session_id}: energy went backwards: {energies}")
        if round(energies[-1] * 1000) != books[session_id].energy_wh:
            wrong.append(f"{session_id}: told {energies[-1]} kWh")
    return wrong


def compare_energy(sessions: Sequence[Session], flows: Iterable[Flow]) -> list[str]:
    """Each session has what the register moved while energy was on for it.

    An end that was found after the daemon or the line was gone may have less.
    """
    wrong = []
    most = dict.fromkeys((session.id for session in sessions), 0)
    doubtful = dict(most)
    for flow in flows:
        owners = [one for one in sessions if one.started_at.wall <= flow.on_at]
        if not owners or flow.off_wh is None:
            wrong.append(f"energy for nobody, or without an end: {flow}")
            continue
        owner = max(owners, key=lambda one: one.started_at.wall)
        most[owner.id] += flow.off_wh - flow.on_wh
        doubtful[owner.id] += flow.doubtful_wh
    for group in _groups(sessions):
        told = sum(session.energy_wh for session in group)
        most_wh = sum(most[session.id] for session in group)
        least_wh = sum(
            0 if session.end_estimated else most[session.id] - doubtful[session.id]
            for session in group
        )
        if not least_wh <= told <= most_wh:
            names = ", ".join(f"{one.id} from {one.started_at.wall}" for one in group)
            wrong.append(f"{names}: {told} Wh, moved {least_wh} to {most_wh}")
    return wrong


def _groups(sessions: Iterable[Session]) -> list[list[Session]]:
    """Put together what followed each other faster than the world looks."""
    groups: list[list[Session]] = []
    for session in sorted(sessions, key=lambda one: one.started_at.wall):
        last = groups[-1][-1].ended_at if groups else None
        if last is not None and session.started_at.wall - last.wall < _BLINK:
            groups[-1].append(session)
        else:
            groups.append([session])
    return groups

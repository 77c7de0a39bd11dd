"""What outlives a reload: the station, and what its journal does not have yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.domain.messages import Record
    from agent.domain.sessions import Session
    from agent.domain.station import Station


class Memory(NamedTuple):
    """A station between two runners: its state, and what could not be written yet."""

    station: Station
    unrecorded: list[tuple[Record, str]]

    def update(self, open_sessions: Iterable[Session]) -> list[Session]:
        """Put what is known here in place of what was written, and drop what ended."""
        known = {record.session.id: record.session for record, _ in self.unrecorded}
        for evse in self.station.evses.values():
            if evse.session is not None:
                known[evse.session.id] = evse.session
        updated = [known.get(session.id, session) for session in open_sessions]
        return [session for session in updated if session.is_open]

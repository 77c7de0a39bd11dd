"""What the agent's own journal says in the end."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from agent.store.journal import FILE, Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.world import World


def find_wrong_books(world: World) -> Iterator[str]:
    """Name every session that is open, untold, or told under another id."""
    with closing(Journal(world.machine.state / FILE, read_only=True)) as journal:
        waiting = journal.outbox.entries()
        sessions = journal.sessions(limit=1_000_000)
    yield from (f"not delivered: {entry}" for entry in waiting)
    told = {
        session_id for one in world.backends.values() for session_id in one.sessions
    }
    booked = {session.id for session, _ in sessions}
    yield from (
        f"session {one} was told and is not in the books" for one in told - booked
    )
    for session, is_reported in sessions:
        if session.is_open:
            yield f"session {session.id} is open"
        elif not is_reported or session.id not in told:
            yield f"session {session.id} was never told whole"
        elif session.card:
            yield f"session {session.id} still names its card"
    yield from (
        f"session {one} was started and is not in the books"
        for one in world.heard.started.keys() - booked
    )

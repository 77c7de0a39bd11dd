"""The journal away from the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from agent.errors import StoreFailedError
from agent.store.journal import FILE, Journal
from agent.store.journal_thread import JournalThread
from tests.fakes.sessions import ended_record, session_of, started_record
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def play(folder: Path, story: Callable[[JournalThread], Awaitable[None]]) -> None:
    """Open a journal in a thread, tell a story, close it."""

    async def main() -> None:
        thread = JournalThread(Journal(folder / FILE))
        try:
            await story(thread)
        finally:
            await thread.close()

    run_virtual(main())


def test_calls_take_effect_in_the_order_they_are_made(tmp_path: Path) -> None:
    """Nobody has to wait for one call before making the next."""

    async def story(thread: JournalThread) -> None:
        session = session_of()
        *_, depth, open_sessions = await asyncio.gather(
            thread.record([started_record(session)]),
            thread.record([ended_record(session)]),
            thread.depth(),
            thread.open_sessions(),
        )
        assert depth == (2, 0)
        assert open_sessions == []

    play(tmp_path, story)


def test_every_call_of_the_outbox_is_there(tmp_path: Path) -> None:
    """From due to delivered, refused, postponed and tried again."""

    async def story(thread: JournalThread) -> None:
        await thread.record([started_record(session_of(n)) for n in ("S1", "S2", "S3")])
        first, second = await thread.due("cpo", 2, ["S3"])
        await thread.delivered(first)
        await thread.refused(second, "never")
        [third] = await thread.due("cpo", 9, [])
        await thread.postponed(third, "later")
        assert await thread.depth() == (1, 1)
        assert await thread.retry_refused(None) == 1
        assert await thread.sinks() == ["cpo"]

    play(tmp_path, story)


def test_errors_reach_the_caller(tmp_path: Path) -> None:
    """They keep their class, and the thread goes on."""

    async def story(thread: JournalThread) -> None:
        connection = thread._journal._connection
        connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreFailedError):
            await thread.record([started_record(session_of())])
        connection.execute("PRAGMA query_only = OFF")
        await thread.record([started_record(session_of())])

    play(tmp_path, story)


def test_closing_leaves_no_thread(tmp_path: Path) -> None:
    """What was begun is finished, then the thread ends."""

    async def story(thread: JournalThread) -> None:
        await thread.record([started_record(session_of())])

    play(tmp_path, story)

    for thread in threading.enumerate():
        if thread.name.startswith("journal"):
            thread.join(5)
            assert not thread.is_alive()
    journal = Journal(tmp_path / FILE)
    assert len(journal.open_sessions()) == 1
    journal.close()

"""Parts end in their time, or are left behind by name."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from agent.ending import LEAST_S, Ending
from tests.fakes.virtual_loop import run_virtual
from tests.fakes.wicked import give_in, hang, resist

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


SOON = timedelta(seconds=2)


def seconds() -> float:
    """Tell the loop's time."""
    return asyncio.get_running_loop().time()


def test_tasks_that_end_are_not_left_behind() -> None:
    """They are waited for together, until the last of them has ended."""

    async def main() -> None:
        ending = Ending()
        tasks = {asyncio.create_task(hang()) for _ in range(3)}
        await asyncio.sleep(1)
        await ending.cancel(tasks, SOON)
        assert seconds() == pytest.approx(1)
        assert all(task.cancelled() for task in tasks)
        assert ending.left_behind == []

    run_virtual(main())


def test_the_time_of_all_begins_with_the_first() -> None:
    """One that hangs takes what the later ones have, but for a moment each."""

    async def main() -> None:
        ending = Ending()
        await asyncio.sleep(100)
        for name in ("first", "second"):
            task = asyncio.create_task(resist(), name=name)
            await asyncio.sleep(0)
            await ending.cancel({task}, SOON)
        assert seconds() == pytest.approx(102 + LEAST_S)
        assert ending.left_behind == ["first", "second"]
        await give_in()

    run_virtual(main())


async def fail() -> None:
    """Raise what nobody expects."""
    raise ValueError("a bug")


@pytest.mark.parametrize(
    ("routine", "left", "word"),
    [
        (fail, [], "a store: failed at the end"),
        (hang, ["a store"], "a store: does not end"),
    ],
)
def test_a_last_thing_never_fails(
    routine: Callable[[], Coroutine[None, None, None]],
    left: list[str],
    word: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What went wrong is in the log, and all goes on."""

    async def main() -> None:
        ending = Ending()
        await ending.finish("a store", routine(), SOON)
        assert ending.left_behind == left

    run_virtual(main())
    assert word in caplog.text

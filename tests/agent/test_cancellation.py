"""Who is ended and who ends himself are told apart."""

from __future__ import annotations

import asyncio

import pytest

from agent.cancellation import noticed
from tests.fakes.virtual_loop import run_virtual
from tests.fakes.wicked import cancel_itself, hang


def test_a_routine_that_cancels_itself_is_noticed_in_a_group() -> None:
    """A group takes a cancelled task for one that has ended in order."""

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(noticed("reporting to cpo", cancel_itself()))
            group.create_task(hang())

    with pytest.raises(ExceptionGroup) as raised:
        run_virtual(main())
    [err] = raised.value.exceptions
    assert str(err) == "reporting to cpo has cancelled itself"


def test_a_routine_that_is_cancelled_ends_so() -> None:
    """That is how everything ends."""

    async def main() -> None:
        task = asyncio.create_task(noticed("reporting to cpo", hang()))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    run_virtual(main())

"""Turns on a shared line: who answers goes first, and nobody waits for ever."""

from __future__ import annotations

import asyncio

from drivers.modbus.turns import MUTE_WAITS_S, QUIET_S, Turns
from tests.fakes.virtual_loop import run_virtual

ANSWER_S = 0.1


async def ask(turns: Turns, device_id: int, log: list[int]) -> None:
    """Have the line for as long as an answer takes."""
    async with turns.take(device_id):
        log.append(device_id)
        await asyncio.sleep(ANSWER_S)


def test_one_request_at_a_time() -> None:
    """In the order in which they came, as long as everybody answers."""

    async def main() -> None:
        turns, log = Turns(), list[int]()
        await asyncio.gather(*(ask(turns, number, log) for number in (1, 2, 3)))
        assert log == [1, 2, 3]
        assert asyncio.get_running_loop().time() == 3 * ANSWER_S

    run_virtual(main())


def test_a_mute_device_lets_a_whole_command_pass() -> None:
    """It waits until the line is quiet, and is served in turn once it has answered."""

    async def main() -> None:
        turns, log = Turns(), list[int]()

        async def command() -> None:
            for _ in range(4):
                await ask(turns, 1, log)

        turns.note(2, was_answered=False)
        assert turns.is_mute(2)
        await asyncio.gather(command(), ask(turns, 2, log), ask(turns, 2, log))
        assert log == [1, 1, 1, 1, 2, 2]
        turns.note(2, was_answered=True)
        log.clear()
        await asyncio.gather(command(), ask(turns, 2, log))
        assert log[:2] == [1, 2]

    run_virtual(main())


def test_a_mute_device_has_its_turn_on_a_busy_line() -> None:
    """It can only be heard again when it is asked."""

    async def main() -> None:
        turns, log = Turns(), list[int]()

        async def busy() -> None:
            while True:
                await ask(turns, 1, log)

        talking = asyncio.create_task(busy())
        turns.note(2, was_answered=False)
        await ask(turns, 2, log)
        assert asyncio.get_running_loop().time() <= MUTE_WAITS_S + 3 * ANSWER_S
        talking.cancel()
        await asyncio.wait({talking})

    run_virtual(main())


def test_a_mute_device_alone_does_not_wait() -> None:
    """There is nobody to be let go first, also right after its own request."""

    async def main() -> None:
        turns, log = Turns(), list[int]()
        turns.note(1, was_answered=False)
        await ask(turns, 1, log)
        await ask(turns, 1, log)
        assert asyncio.get_running_loop().time() == 2 * ANSWER_S < QUIET_S + ANSWER_S

    run_virtual(main())


def test_a_request_that_is_given_up_leaves_the_line_free() -> None:
    """Whether it had the line, or waited for it."""

    async def main() -> None:
        turns, log = Turns(), list[int]()
        turns.note(2, was_answered=False)
        for after_s in (0.05, 0.15):
            tasks = [asyncio.create_task(ask(turns, one, log)) for one in (1, 2, 2)]
            await asyncio.sleep(after_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        log.clear()
        await asyncio.sleep(QUIET_S)
        await asyncio.gather(ask(turns, 2, log), ask(turns, 1, log))
        assert sorted(log) == [1, 2]

    run_virtual(main())

"""A reader's lights between two looks: what is told, and when."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers.formats.twn4_panel import BOARD, Twn4Panel
from drivers.readers.panel_operator import REFRESH_S
from drivers.readers.switchboard import SHOWN_WITHIN_S, Switchboard
from tests.drivers.readers.switchboard_bench import (
    FIRST,
    GREEN,
    NONE,
    RED,
    SET_UP,
    WITH_BUZZER,
    Bench,
    FakeModule,
)
from tests.drivers.serial_bench import now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from drivers.readers.formats.panel import Panel


def test_what_is_told_and_when() -> None:
    """Set up once, then only what changes, and at once."""

    async def main() -> None:
        bench = Bench()
        async with bench.open():
            assert bench.module.commands() == FIRST
            began = now()
            await bench.board.light(RED)
            assert bench.module.commands() == ["040201"]
            await bench.board.light(GREEN)
            assert bench.module.commands() == ["040301", "040202"]
            await bench.board.light(GREEN)
            assert bench.module.commands() == []
            assert now() == began

    run_virtual(main())


def test_without_lights_only_time_passes() -> None:
    """A reader whose lights nobody uses is as it was."""

    async def main() -> None:
        module = FakeModule()
        board = Switchboard(now)
        board.open(module)
        for _ in range(10):
            await board.pass_time(0.2)
        await board.pass_time(0)
        assert now() == pytest.approx(2)
        await board.close()
        assert module.told == []

    run_virtual(main())


def test_the_reader_is_not_open() -> None:
    """It is waited for a little, and shows what is wanted last when it opens."""

    async def main() -> None:
        bench = Bench()
        with pytest.raises(TransientDeviceError, match="the reader is not open"):
            await bench.board.light(RED)
        assert now() == SHOWN_WITHIN_S
        waiting = asyncio.create_task(bench.board.light(GREEN))
        await asyncio.sleep(SHOWN_WITHIN_S - 0.1)
        async with bench.open():
            await waiting
            assert bench.module.commands() == [SET_UP, "040305", "040202"]

    run_virtual(main())


def test_a_look_waits_for_one_command_at_most() -> None:
    """However slow they are, however many; and one is told at each look."""

    async def main() -> None:
        bench = Bench()
        bench.module.takes_s = 0.3
        bench.pause_s = 0
        bench.look_takes_s = 0.001
        async with bench.open():
            await asyncio.sleep(0.1)
            lighting = asyncio.create_task(bench.board.light(RED))
            await asyncio.sleep(9)
            assert max(b - a for a, b in pairwise(bench.module.looks)) < 0.302
            assert bench.module.commands() == [*FIRST, "040201"]
            await lighting

    run_virtual(main())


def test_blinking_starves_no_look_and_looks_starve_no_light() -> None:
    """A slow module whose looks take longer than they are apart."""

    async def main() -> None:
        bench = Bench()
        bench.module.takes_s = 0.15
        bench.look_takes_s = 0.3
        async with bench.open():
            began, blinks = now(), 0
            while now() - began < 60:
                await bench.board.light(RED if blinks % 2 else NONE)
                blinks += 1
            assert blinks > 60
            looks = [at for at in bench.module.looks if at > began]
            assert len(looks) > 60
            assert max(b - a for a, b in pairwise(looks)) < 0.66

    run_virtual(main())


def test_a_module_that_forgot_is_told_again() -> None:
    """All of it, every ten seconds, and without going dark in between."""

    async def main() -> None:
        bench = Bench()
        async with bench.open():
            await bench.board.light(RED)
            bench.module.commands()
            await asyncio.sleep(REFRESH_S - 0.2)
            assert bench.module.commands() == []
            await asyncio.sleep(0.2)
            assert bench.module.commands() == [SET_UP, "040306", "040201"]
            await asyncio.sleep(3600)
            assert len(bench.module.told) == 3 * 360

    run_virtual(main())


def test_a_tone_is_made_of_pieces() -> None:
    """None is longer than a card may be kept waiting, and none is left over."""

    async def main() -> None:
        bench = Bench()
        async with bench.open():
            bench.module.commands()
            await bench.board.sound(0.5)
            await asyncio.sleep(5)
            beeps = [command[10:14] for _, command in bench.module.told]
            assert beeps == ["C800", "C800", "6400"]
            times = [at - bench.module.told[0][0] for at, _ in bench.module.told]
            assert times == pytest.approx([0, 0.2, 0.4])
            bench.module.commands()
            await bench.board.sound(0.205)
            await asyncio.sleep(1)
            assert [command[10:14] for command in bench.module.commands()] == ["C800"]

    run_virtual(main())


def test_a_tone_on_a_line_ends_by_itself() -> None:
    """Even if nobody is left who would end it."""

    async def main() -> None:
        bench = Bench(WITH_BUZZER)
        async with bench.open():
            bench.module.commands()
            began = now()
            await bench.board.sound(0.5)
            await asyncio.sleep(5)
            assert [command for _, command in bench.module.told] == ["040208", "040308"]
            assert bench.module.told[-1][0] - began == pytest.approx(0.5)

    run_virtual(main())


@pytest.mark.parametrize("panel", [Twn4Panel(BOARD), WITH_BUZZER])
def test_a_tone_is_ended_by_the_next_light(panel: Panel) -> None:
    """As far as the module can be silenced: at a piece's end, or at once."""

    async def main() -> None:
        bench = Bench(panel)
        async with bench.open():
            await bench.board.sound(10)
            await asyncio.sleep(1)
            bench.board.hush()
            await bench.board.light(RED)
            bench.module.commands()
            await asyncio.sleep(5)
            assert bench.module.commands() == []

    run_virtual(main())


def test_a_beep_that_has_not_begun_is_silenced() -> None:
    """Of a signal that is over nothing is heard, though a look delayed it."""

    async def main() -> None:
        bench = Bench()
        bench.pause_s, bench.look_takes_s = 0, 0.3
        async with bench.open():
            await asyncio.sleep(1)
            before = [
                asyncio.create_task(bench.board.light(RED)),
                asyncio.create_task(bench.board.sound(0.5)),
            ]
            await asyncio.sleep(bench.look_takes_s)
            assert bench.module.commands()[-1] == "040201"
            bench.board.hush()
            await bench.board.light(GREEN)
            await asyncio.wait(before)
            await asyncio.sleep(2)
            assert not [c for c in bench.module.commands() if c.startswith("0407")]

    run_virtual(main())

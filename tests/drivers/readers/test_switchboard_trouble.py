"""A reader's lights that fail, and what that costs its looks; and their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError, DriverError, TransientDeviceError
from drivers.readers.formats.twn4_panel import BOARD, Twn4Panel
from drivers.readers.switchboard import DARK_WITHIN_S
from tests.drivers.readers.switchboard_bench import (
    BUSY,
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


def test_lights_that_fail_are_left_alone_longer_and_longer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever shows hears why at once; the reader loses next to no time over it."""

    async def main() -> None:
        bench = Bench()
        bench.module.failures = [BUSY] * 10**6
        bench.module.takes_s = 0.5
        bench.pause_s = 1.5
        async with bench.open():
            began = now()
            for _ in range(3):
                with pytest.raises(TransientDeviceError, match="no answer"):
                    await bench.board.light(RED)
            assert now() - began < 0.5
            await asyncio.sleep(3600)
            assert 60 < len(bench.module.told) < 70

    run_virtual(main())
    assert caplog.messages == ["no answer"]


def test_lights_that_work_again_show_what_is_wanted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failure in the middle leaves nothing half done, and the next is told of."""

    async def main() -> None:
        bench = Bench()
        async with bench.open():
            await bench.board.light(RED)
            for _ in range(2):
                bench.module.commands()
                bench.module.failures = [None, BUSY]
                with pytest.raises(TransientDeviceError, match="no answer"):
                    await bench.board.light(GREEN)
                with pytest.raises(TransientDeviceError):
                    await bench.board.light(RED | GREEN)
                assert bench.module.commands() == ["040301", "040202"]
                await asyncio.sleep(1.1)
                assert bench.module.commands() == [SET_UP, "040304", "040203"]
                await bench.board.light(RED)

    run_virtual(main())
    assert caplog.messages == ["no answer"] * 2


@pytest.mark.parametrize("panel", [Twn4Panel(BOARD), WITH_BUZZER])
def test_a_tone_that_comes_too_late_is_left_out(panel: Panel) -> None:
    """A reader that opens later shows its light, and does not beep."""

    async def main() -> None:
        bench = Bench(panel)
        with pytest.raises(TransientDeviceError):
            await bench.board.sound(1)
        async with bench.open():
            await asyncio.sleep(1)
            assert not [c for c in bench.module.commands() if c.startswith("0407")]
            bench.module.failures = [BUSY]
            with pytest.raises(TransientDeviceError):
                await bench.board.light(RED)
            with pytest.raises(TransientDeviceError):
                await bench.board.sound(5)
            bench.module.commands()
            await asyncio.sleep(3)
            assert bench.module.commands()[2:] == ["040201"]

    run_virtual(main())


def test_a_module_without_a_beeper_has_its_lamps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are not left alone because of it, and it is told once."""

    async def main() -> None:
        bench = Bench()
        bench.module.refuses = "0407"
        async with bench.open():
            for _ in range(5):
                await bench.board.light(RED)
                await bench.board.sound(0.5)
                await bench.board.light(NONE)
                await asyncio.sleep(0.1)
            beeps = [c for c in bench.module.commands() if c.startswith("0407")]
            assert len(beeps) == 1
            bench.module.refuses = "?"
            await asyncio.sleep(5)
            await bench.board.sound(0.1)
            assert len(bench.module.commands()) == 1

    run_virtual(main())
    assert caplog.messages == ["refused (at a beep)"]


def test_a_module_that_is_gone_is_the_readers_affair() -> None:
    """It has to be opened again; then all is shown from the beginning."""

    async def main() -> None:
        bench = Bench()
        bench.board.open(bench.module)
        bench.module.failures = [DeviceGoneError("unplugged")]
        with pytest.raises(DeviceGoneError):
            await bench.board.pass_time(1)
        bench.module.failures = [DeviceGoneError("unplugged")] * 9
        began = now()
        await bench.board.close()
        assert now() == began
        bench.module = FakeModule()
        async with bench.open():
            assert bench.module.commands() == FIRST

    run_virtual(main())


@pytest.mark.parametrize("failures", [[], [BUSY], [BUSY, BUSY]])
def test_it_is_dark_and_silent_at_the_end(failures: list[DriverError | None]) -> None:
    """What was on goes off, with a second try and a third; then nothing is told."""

    async def main() -> None:
        bench = Bench(WITH_BUZZER)
        async with bench.open():
            await bench.board.light(RED)
            await bench.board.sound(100)
            bench.module.commands()
            bench.module.failures = failures
            tries = len(failures) + 1
        assert bench.module.commands() == ["04030F"] * tries
        await bench.board.close()
        await bench.board.pass_time(60)
        assert bench.module.commands() == []
        assert not bench.board.is_open

    run_virtual(main())


@pytest.mark.parametrize("patience_s", [100.0, 0.3])
def test_lights_that_do_not_go_out_hold_up_little(patience_s: float) -> None:
    """A second order to stop ends it at once, and nobody goes on in the back."""

    async def main() -> None:
        bench = Bench()
        bench.module.takes_s = 3600
        bench.board.open(bench.module)
        closing = asyncio.create_task(bench.board.close())
        asyncio.get_running_loop().call_later(patience_s, closing.cancel)
        await asyncio.wait({closing})
        assert now() == pytest.approx(min(patience_s, DARK_WITHIN_S))
        assert len(asyncio.all_tasks()) == 1
        assert not bench.board.is_open

    run_virtual(main())


def test_lights_that_rest_keep_nobody_busy() -> None:
    """Ten minutes cost a few wake-ups per look, whatever has been shown or failed."""

    async def main() -> None:
        for panel in (Twn4Panel(BOARD), WITH_BUZZER):
            for failing in (False, True):
                bench = Bench(panel)
                asked = 0

                def count() -> float:
                    nonlocal asked
                    asked += 1
                    return now()

                bench.board._monotonic = count
                async with bench.open():
                    await bench.board.light(RED)
                    await bench.board.sound(0.05)
                    if failing:
                        bench.module.failures = [BUSY] * 10**6
                    asked = 0
                    await asyncio.sleep(600)
                    assert asked < 20 * 3000

    run_virtual(main())

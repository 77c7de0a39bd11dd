"""Lights of serial readers that fail, are torn off, answer slowly, and end."""

from __future__ import annotations

import asyncio

import pytest

from drivers.errors import TransientDeviceError, UnsupportedDeviceError
from drivers.indicators.base import Signal
from drivers.indicators.module import ModuleIndicator
from drivers.indicators.module_panels import ModuleIndicatorConfig
from drivers.readers.base import CardArrived, ReaderUp
from drivers.readers.pipe import PipeReader, PipeReaderConfig
from tests.drivers.indicators.module_bench import ALL, Bench, Make
from tests.drivers.indicators.ported import ported
from tests.drivers.indicators.showing import Screen
from tests.drivers.readers.modules import mute
from tests.drivers.serial_bench import now
from tests.fakes.virtual_loop import run_virtual

UID = bytes.fromhex("04A1B2C3D4E5F6")
makes = pytest.mark.parametrize("make", ALL, ids=repr)


@makes
def test_the_reader_is_not_open(make: Make) -> None:
    """The indicator fails soon; its first light comes with the reader, silently."""

    async def main() -> None:
        bench = Bench(make)
        bench.line.gone = True
        began = now()
        with pytest.raises(TransientDeviceError, match="not open"):
            await bench.indicator.show(Signal.REFUSED)
        assert now() - began < 3
        await asyncio.sleep(1)
        bench.plug_in()
        async with bench.open():
            assert bench.on() == {"red"}
            assert await bench.watch(5, "red") == []
            assert getattr(bench.device, "beeps", []) == []

    run_virtual(main())


@makes
def test_a_reader_that_opens_soon_is_waited_for(make: Make) -> None:
    """As it is at the start: nobody is told of a failure that is none."""

    async def main() -> None:
        bench = Bench(make)
        showing = asyncio.create_task(bench.indicator.show(Signal.ERROR))
        await asyncio.sleep(1.5)
        async with bench.open():
            await showing
            assert bench.on() - {"buzzer"} == {"red"}

    run_virtual(main())


@pytest.mark.parametrize("pause", [0.05, 0.1, 0.25, 1.0])
@makes
def test_a_module_that_is_torn_off_while_it_blinks(make: Make, pause: float) -> None:
    """The module that is plugged in, which knows nothing, shines and soon blinks."""

    async def main() -> None:
        bench = Bench(make)
        async with ported(bench.indicator.indicator) as port:
            async with bench.open():
                port.show(Signal.REFUSED)
                await asyncio.sleep(pause)
                assert port.problem() == ""
                bench.line.unplug()
                await asyncio.sleep(1)
                assert bench.failure is not None
                assert "unplugged" in str(bench.failure)
            await asyncio.sleep(30)
            assert port.problem() == "the reader is not open"
            bench.plug_in()
            async with bench.open():
                assert bench.on() - {"buzzer"} == {"red"}
                await asyncio.sleep(38)
                assert len(await bench.watch(5.1, "red")) > 40
                assert port.problem() == ""
                port.show(Signal.ERROR)
                await asyncio.sleep(0.1)
                assert bench.on() - {"buzzer"} == {"red"}

    run_virtual(main())


@makes
def test_lights_that_do_not_answer_keep_no_card_waiting(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Cards come and go while a mute panel is told to blink; it is logged once."""

    async def main() -> None:
        bench = Bench(make)
        bench.device.spoilt[make.command] = mute
        async with bench.open():
            with pytest.raises(TransientDeviceError, match="lights of the module"):
                await bench.indicator.show(Signal.REFUSED)
            bench.events.clear()
            for number in range(20):
                uid = UID[:-1] + bytes([number])
                bench.device.card = uid
                await asyncio.sleep(1.5)
                assert uid in {
                    one.uid for one in bench.events if isinstance(one, CardArrived)
                }
                bench.device.card = b""
                await asyncio.sleep(2)
            assert len(bench.events) == 40
            assert bench.failure is None
            del bench.device.spoilt[make.command]
            await asyncio.sleep(60)
            await bench.indicator.show(Signal.ERROR)
            assert bench.on() - {"buzzer"} == {"red"}

    run_virtual(main())
    assert len(caplog.messages) == 1


@makes
def test_lights_that_are_refused_keep_no_card_waiting(make: Make) -> None:
    """A module without such a command reads cards all the same."""

    async def main() -> None:
        bench = Bench(make)
        bench.device.refused = make.command
        async with bench.open():
            with pytest.raises(TransientDeviceError, match="expected"):
                await bench.indicator.show(Signal.REFUSED)
            bench.device.card = UID
            await asyncio.sleep(0.5)
            assert isinstance(bench.events[-1], CardArrived)
            assert bench.failure is None

    run_virtual(main())


@makes
def test_answers_that_come_byte_by_byte(make: Make) -> None:
    """Lights and looks work all the same."""

    async def main() -> None:
        bench = Bench(make)
        bench.line.split = True
        bench.line.delay = lambda _: 0.02
        async with bench.open():
            await bench.indicator.show(Signal.REFUSED)
            bench.device.card = UID
            assert len(await bench.watch(3, "red")) > 20
            assert [type(one) for one in bench.events] == [ReaderUp, CardArrived]

    run_virtual(main())


@makes
def test_slow_answers_starve_neither_looks_nor_lights(make: Make) -> None:
    """A light takes 50 ms and a question for a card 250; both go on all the time."""

    async def main() -> None:
        counts, changes = [], list[float]()
        for signal in (Signal.ERROR, Signal.REFUSED):
            bench = Bench(make)
            light = make.command
            bench.line.delay = lambda asked, light=light: (  # type: ignore[misc]
                0.05 if asked.startswith(light) else 0.25
            )
            async with bench.open():
                await bench.indicator.show(signal)
                looks = bench.looks()
                changes = await bench.watch(30, "red")
                counts.append(bench.looks() - looks)
        still, blinking = counts
        assert blinking > 0.9 * still
        assert len(changes) > 60

    run_virtual(main())


@makes
def test_closing_leaves_all_dark_and_silent(make: Make) -> None:
    """In the middle of a tone; after that nothing is told any more."""

    async def main() -> None:
        bench = Bench(make)
        async with bench.open():
            await bench.indicator.show(Signal.REFUSED)
            await bench.indicator.close()
            assert bench.on() == set()
            told = len(bench.orders())
            await asyncio.sleep(5)
            assert len(bench.orders()) == told
            await bench.indicator.show(Signal.ERROR)
            assert bench.on() - {"buzzer"} == {"red"}

    run_virtual(main())


@makes
def test_the_readers_end_leaves_all_dark_and_silent(make: Make) -> None:
    """At each moment of a look and of a light: who stops may stop the reader first."""

    async def main() -> None:
        for step in range(40):
            bench = Bench(make)
            bench.line.delay = lambda _: 0.03
            async with bench.open():
                await bench.indicator.show(Signal.REFUSED)
                await asyncio.sleep(0.01 * step)
                began = now()
            assert now() - began < 1.1
            assert bench.on() == set()
            began = now()
            await bench.indicator.close()
            assert now() == began

    run_virtual(main())


def test_an_indicator_without_its_reader() -> None:
    """It says that there is nothing to show anything with, and nobody tries again."""

    async def main() -> None:
        indicator = ModuleIndicator(ModuleIndicatorConfig())
        screen = Screen(indicator)
        with pytest.raises(UnsupportedDeviceError, match="no serial reader"):
            await screen.show(Signal.READY)
        indicator.attach(PipeReader(PipeReaderConfig(path="cards")))  # type: ignore[arg-type]
        with pytest.raises(UnsupportedDeviceError):
            await screen.show(Signal.READY)
        await screen.close()
        assert list(indicator.check()) == []

    run_virtual(main())

"""The gpio charger when something fails that nobody expects: the relay is off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from drivers.chargers.gpio_register import PulseRegister
from tests.drivers.chargers.gpio_bench import Bench
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path

#: What the station gives a charger for a command.
PATIENCE_S = 5.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a socket with a meter, and a vehicle in it."""
    bench = Bench(tmp_path)
    bench.chip.drive("vehicle", active=True)
    return bench


def count_badly(register: PulseRegister, pulses: int) -> None:
    """Have a bug."""
    del register
    raise ValueError(f"{pulses} pulses")


def test_a_bug_in_what_is_heard_ends_the_events(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And opens the relay: a line that cannot be read cannot be guarded."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            monkeypatch.setattr(PulseRegister, "count", count_badly)
            bench.chip.pulse("meter")
            await bench.later(1)
            assert not bench.is_on()
            assert bench.chip.is_free()

    with pytest.raises(ValueError, match="1 pulses"):
        run_virtual(main())


def test_a_bug_in_what_is_counted_last_does_not_keep_it_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command opens the relay whatever becomes of the reading."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            with monkeypatch.context() as patch:
                patch.setattr(PulseRegister, "count", count_badly)
                bench.chip.pulse("meter")
                with pytest.raises(ValueError, match="1 pulses"):
                    await bench.charger.disable()
            assert not bench.is_on()

    run_virtual(main())


def test_a_disk_that_hangs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told and commanded does not wait for it, nor does the end."""
    calls = []

    async def hang(function: Any) -> None:  # noqa: ANN401 - any function
        calls.append(function)
        await asyncio.sleep(3600)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with bench.listening():
            await bench.charger.enable()
            monkeypatch.setattr("drivers.chargers.gpio_socket.asyncio.to_thread", hang)
            bench.chip.pulse("meter", 7)
            async with asyncio.timeout(PATIENCE_S):
                assert await bench.charger.disable() == 7
            assert not bench.is_on()
            bench.chip.drive("vehicle", active=False)
            assert await bench.later(PATIENCE_S) != []
            ended_at = loop.time()
        assert loop.time() - ended_at < PATIENCE_S
        # It is not asked for more while it hangs.
        assert len(calls) == 1

    run_virtual(main())

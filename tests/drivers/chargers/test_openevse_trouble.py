"""The OpenEVSE driver on lines that lie, lose, delay, and fall silent."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chargers.base import (
    ChargerDown,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
)
from drivers.chargers.rapi_client import NoAnswerError
from drivers.errors import DriverError
from tests.drivers.chargers.openevse_bench import WATTS, Bench
from tests.drivers.chargers.rapi_emulator import Build
from tests.drivers.chargers.rapi_emulator_lines import Mangle, byte_by_byte
from tests.drivers.chargers.rapi_emulator_words import (
    NAK_OF_DAMAGE,
    sealed,
    state_line,
)
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = Build(auth_lock=False)
BUILDS = pytest.mark.parametrize("build", [Build(auth_lock=True), PLAIN])


def every(count: int, bad: Mangle) -> Mangle:
    """Have each so-many-th line be bad, and the others good."""
    lines = iter(range(10**9))
    return lambda line: [line] if (next(lines) + 1) % count else bad(line)


def flipped(line: bytes) -> list[bytes]:
    """Flip a bit in the middle."""
    middle = len(line) // 2
    return [line[:middle] + bytes([line[middle] ^ 4]) + line[middle + 1 :]]


def torn_by_notice(line: bytes) -> list[bytes]:
    """Break a notice into the middle; the line's rest follows."""
    return [line[:4], sealed("$AN 1") + line[4:]]


TROUBLES: dict[str, Callable[[], Mangle]] = {
    "byte by byte": lambda: byte_by_byte,
    "a notice before each answer": lambda: lambda line: [sealed("$AN 0"), line],
    "a notice and the answer at once": lambda: lambda line: [sealed("$WF 01") + line],
    "each third torn": lambda: every(3, torn_by_notice),
    "each third damaged": lambda: every(3, flipped),
    "each third lost": lambda: every(3, lambda _: []),
    "each third refused as damaged": lambda: every(3, lambda _: [NAK_OF_DAMAGE]),
    "each third without its end": lambda: every(3, lambda line: [line[:-1]]),
    "echoes and noise": lambda: lambda line: [b"$GS :01^2B\r\xff\x00 $OK", line],
    "answers of others": lambda: lambda line: [sealed("$OK 01 0 01 0000"), line],
    "everything twice": lambda: lambda line: [line, line],
}


@BUILDS
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_charge_on_a_bad_line(build: Build, trouble: str) -> None:
    """Whatever happens to the bytes, the charge is switched, told and metered right."""

    async def main() -> None:
        bench = Bench(build)
        bench.line.mangle = TROUBLES[trouble]()
        async with bench.listening():
            evse, charger = bench.evse, bench.charger
            await bench.later(20)
            evse.plug(WATTS)
            assert await bench.later(20) == [Connected()]
            await charger.enable()
            assert await bench.later(20) == [Charging()]
            assert await charger.disable() == evse.register_wh()
            assert not evse.relay
            assert await bench.later(20) == [Connected()]
            evse.unplug()
            assert await bench.later(20) == [Disconnected()]
            assert evse.energy_ws // 3600 == evse.register_wh() - 1000
            assert bench.meter == sorted(bench.meter)
            assert bench.error is None

    run_virtual(main())


def test_a_short_silence_is_none() -> None:
    """Hot controllers do not answer for 5 s; nobody hears of that."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening():
            bench.evse.deaf = 7
            assert await bench.later(60) == []

    run_virtual(main())


def test_a_long_silence_is_told_once() -> None:
    """ChargerDown when the limit has passed, ChargerUp with the first answer."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=10))
        async with bench.listening():
            bench.evse.deaf = 10**9
            (down,) = await bench.later(20)
            assert isinstance(down, ChargerDown)
            assert "expected an answer to GS" in down.reason
            bench.evse.plug(WATTS)
            bench.evse.deaf = 0
            told = await bench.later(10)
            assert isinstance(told[0], ChargerUp)
            assert told[0].state.vehicle == "connected"
            assert told[1:] == []
            assert bench.line.opened == 1

    run_virtual(main())


def test_an_endless_silence_has_the_line_opened_anew() -> None:
    """After three times the limit, by raising what makes the agent reopen it."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=10))
        async with bench.listening():
            bench.evse.deaf = 10**9
            await bench.later(60)
            assert isinstance(bench.error, NoAnswerError)
            # Silence is no reason to ask more.
            assert len(bench.evse.commands) < 60

    run_virtual(main())


@pytest.mark.parametrize("from_the_start", [True, False])
def test_refusals_do_not_keep_it_busy(from_the_start: bool) -> None:  # noqa: FBT001 - a table
    """A controller that can read nothing answers at once, and is not asked at once."""

    async def main() -> None:
        bench = Bench()
        if from_the_start:
            bench.line.mangle = lambda _: [NAK_OF_DAMAGE]
        async with bench.listening():
            bench.line.mangle = lambda _: [NAK_OF_DAMAGE]
            before = len(bench.evse.commands)
            await bench.later(9)
            assert len(bench.evse.commands) - before < 30
            await bench.later(30)
            assert isinstance(bench.error, NoAnswerError)

    run_virtual(main())


def test_unasked_noise_does_not_keep_it_busy() -> None:
    """A controller that talks without end is asked no more for it."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening():
            before = len(bench.evse.commands)
            for _ in range(1000):
                bench.line.say(state_line(1, 32, 0x0008))
                await asyncio.sleep(0.01)
            assert len(bench.evse.commands) - before < 10
            assert bench.error is None

    run_virtual(main())


ACTIONS = st.sampled_from(
    [
        "plug",
        "unplug",
        "draw",
        "pause",
        "trip",
        "mend",
        "reboot",
        "button",
        "enable",
        "disable",
        "cut",
        "wait",
    ]
)


class History:
    """A controller and the agent's driver going through what chance brings."""

    def __init__(self, build: Build, seed: int) -> None:
        self.bench = Bench(build, limit_amps=16)
        self.evse = self.bench.evse
        self.dice = dice = random.Random(seed)  # noqa: S311 - chance, not secrecy

        def mangle(line: bytes) -> list[bytes]:
            bad = dice.choice([flipped, byte_by_byte, lambda _: [], torn_by_notice])
            return bad(line) if dice.random() < 0.15 else [line]

        self.bench.line.mangle = mangle

    async def act(self, action: str) -> None:  # noqa: C901 - one case per action
        """Let one thing happen."""
        evse, charger = self.evse, self.bench.charger
        match action:
            case "plug" if evse.car is None:
                evse.plug(WATTS)
            case "unplug" if evse.car is not None:
                evse.unplug()
            case "draw" | "pause" if evse.car is not None:
                evse.draw(WATTS if action == "draw" else 0)
            case "trip":
                evse.trip(0x06)
            case "mend":
                evse.mend()
            case "reboot":
                evse.reboot()
            case "button":
                evse.press_button()
            case "cut":
                self.bench.line.cut()
                self.bench.line.mend()
            case "enable" | "disable":
                try:
                    async with asyncio.timeout(5):
                        await getattr(charger, action)()
                except (DriverError, TimeoutError):
                    await self.settle()
            case "wait":
                await asyncio.sleep(self.dice.choice([0.001, 0.3, 30]))

    async def listen(self) -> None:
        """Do what the agent does: listen, and reopen what failed."""
        while True:
            self.bench.error = None
            await self.bench.listen()
            await asyncio.sleep(0.5)

    async def settle(self) -> None:
        """Stop as the station does: again until it is confirmed."""
        while True:
            try:
                async with asyncio.timeout(5):
                    register_wh = await self.bench.charger.disable()
            except (DriverError, TimeoutError):
                await asyncio.sleep(1)
            else:
                # Whatever the line was like, what is confirmed is true.
                assert not self.evse.relay
                assert register_wh == self.evse.register_wh()
                return


@settings(max_examples=60)
@given(st.lists(ACTIONS, max_size=25), st.booleans(), st.integers(0, 2**32))
def test_any_history_ends_well(actions: list[str], auth_lock: bool, seed: int) -> None:  # noqa: FBT001 - random
    """After anything on a bad line, a stop is true, and energy stays off after it."""

    async def main() -> None:
        history = History(Build(auth_lock=auth_lock), seed)
        listener = asyncio.create_task(history.listen())
        try:
            for action in actions:
                await history.act(action)
            await history.settle()
            if history.evse.car is not None:
                history.evse.draw(WATTS)
            before_ws = history.evse.energy_ws
            # Out of a fault it comes back by itself. That it says so may be lost, so
            # nothing but the next look finds out.
            allowed_ws = 0 if history.evse.fault is None or auth_lock else 5 * WATTS
            history.evse.mend()
            await asyncio.sleep(120)
            assert not history.evse.relay
            assert history.evse.energy_ws - before_ws <= allowed_ws
            assert history.evse.eeprom_writes == 0
            told = [event for event in history.bench.told if event != Connected()]
            assert told or history.bench.error is not None
        finally:
            listener.cancel()
            await asyncio.wait({listener})
            if not listener.cancelled():
                listener.result()

    run_virtual(main())

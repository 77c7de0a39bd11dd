"""The station and each driver: chargers lost, silent and restless, in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent.domain.outcomes import StopReason
from tests.agent.charging_station import KINDS, command, start, station
from tests.drivers.chargers.command_bench import Bench as CommandBench
from tests.fakes.station import Bench, sessions
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path

FOUND_AGAIN_S = 30 * 1.25 + 6  # The longest delay with its jitter, and a start
EACH = pytest.mark.parametrize("kind", KINDS)


def open_session(bench: Bench) -> str | None:
    """Name the session at the EVSE."""
    session = bench.runner.station.evses["E1"].session
    return session.id if session else None


@EACH
@pytest.mark.parametrize("away_s", [3, 45, 7200])
def test_a_session_outlives_the_loss_of_its_charger(
    tmp_path: Path, kind: str, away_s: float
) -> None:
    """However long that takes, it goes on soon after; the wait costs little."""

    async def main() -> None:
        hardware = KINDS[kind]()
        async with station(tmp_path, hardware) as bench:
            await start(bench, hardware)
            before, asked = open_session(bench), hardware.asked()
            hardware.lose()
            await asyncio.sleep(away_s)
            assert hardware.asked() - asked <= 30 + 2 * away_s
            hardware.restore()
            await asyncio.sleep(FOUND_AGAIN_S)
            assert hardware.delivers()
            assert open_session(bench) == before
            assert bench.health.is_good("charger E1")
            await bench.tap("A")
            await asyncio.sleep(6)
            assert not hardware.delivers()
            assert open_session(bench) is None

    run_virtual(main())


@EACH
def test_a_stop_during_the_loss_is_made_up_for(tmp_path: Path, kind: str) -> None:
    """The session ends when energy is off, and that is as soon as may be."""

    async def main() -> None:
        hardware = KINDS[kind]()
        async with station(tmp_path, hardware) as bench:
            await start(bench, hardware)
            hardware.lose()
            await asyncio.sleep(60)
            await bench.tap("A")
            assert open_session(bench) is not None
            hardware.restore()
            await asyncio.sleep(FOUND_AGAIN_S)
            assert not hardware.delivers()
            assert open_session(bench) is None
            [(session, _)] = sessions(bench)
            assert session.stop_reason is StopReason.LOCAL

    run_virtual(main())


@EACH
def test_a_vehicle_that_leaves_during_the_loss(tmp_path: Path, kind: str) -> None:
    """Its session ends, and the next vehicle gets nothing."""

    async def main() -> None:
        hardware = KINDS[kind]()
        async with station(tmp_path, hardware) as bench:
            await start(bench, hardware)
            hardware.lose()
            await asyncio.sleep(60)
            hardware.unplug()
            await asyncio.sleep(60)
            hardware.restore()
            await asyncio.sleep(FOUND_AGAIN_S)
            assert open_session(bench) is None
            hardware.plug()
            await asyncio.sleep(60)
            assert not hardware.delivers()

    run_virtual(main())


@EACH
def test_a_charger_found_delivering_is_stopped(tmp_path: Path, kind: str) -> None:
    """Nobody has a session there."""

    async def main() -> None:
        hardware = KINDS[kind]()
        hardware.plug()
        hardware.boot()
        await asyncio.sleep(1)
        assert hardware.delivers()
        async with station(tmp_path, hardware):
            await asyncio.sleep(10)
            assert not hardware.delivers()

    run_virtual(main())


@EACH
@pytest.mark.parametrize("silent_s", [1, 25, 300])
def test_an_end_while_nothing_answers(
    tmp_path: Path, kind: str, silent_s: float
) -> None:
    """Energy off is told all the same, and nobody waits for long."""

    async def main() -> None:
        hardware = KINDS[kind]()
        async with station(tmp_path, hardware) as bench:
            await start(bench, hardware)
            hardware.hush()
            await asyncio.sleep(silent_s)
            ended_at = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - ended_at < 5
        assert not hardware.delivers()

    run_virtual(main())


@EACH
def test_a_charger_that_is_not_there_yet(tmp_path: Path, kind: str) -> None:
    """It is looked for ever more seldom, and found when it comes."""
    away_s = 3600

    async def main() -> None:
        hardware = KINDS[kind]()
        hardware.lose()
        asyncio.get_running_loop().call_later(away_s, hardware.restore)
        async with station(tmp_path, hardware) as bench:
            took_s = asyncio.get_running_loop().time() - away_s
            assert 0 <= took_s < FOUND_AGAIN_S
            assert hardware.asked() < away_s / 4
            await start(bench, hardware)

    run_virtual(main())


def test_a_program_that_ends_at_once_is_not_started_all_the_time(
    tmp_path: Path,
) -> None:
    """After a minute it is started twice a minute."""

    async def main() -> None:
        command_bench = CommandBench()
        program = command_bench.program
        async with station(tmp_path, command(command_bench)):
            program.on_start = program.die
            program.die()
            await asyncio.sleep(60)
            before = len(program.started)
            assert before < 10
            await asyncio.sleep(3600)
            assert len(program.started) - before <= 120

    run_virtual(main())

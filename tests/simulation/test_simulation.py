"""A month at a charge point, and what the backends finally know of it.

By night and by day people come with cars and cards; network, backends, power, clock,
chargers and readers fail; and in the end two books are compared that were kept apart:
the world's own, and what the backends were told last.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.simulation.comparison import find_differences
from tests.simulation.memory import MemoryProbe
from tests.simulation.play import simulate
from tests.simulation.world import DAY_S, Plan
from tests.torture.crowd import SCALE

if TYPE_CHECKING:
    from tests.simulation.world import World

pytestmark = pytest.mark.timeout(600)

#: The whole month only for who has asked for torture, and then of several kinds.
DAYS: Final = 30 if SCALE > 1 else 8
QUIET_DAYS: Final = 30 if SCALE > 1 else 4
#: Power cuts just when somebody taps, again and again.
HARD_DAYS: Final = 6 if SCALE > 1 else 1
HARD_SEEDS: Final = 4 * SCALE if SCALE > 1 else 1
HARD: Final = 8.0
_ONLINE: Final = ("local-first", "online-first", "local-only")
_OFFLINE: Final = ("allow-unknown", "whitelist", "deny")
_LATE: Final = ("stop", "cap", "ignore")
#: What the world itself writes down, and a little more.
_BOOKS_BYTES_A_DAY: Final = 2_000_000
_SHOWN: Final = 20


def plan_of(seed: int, days: float, trouble: float = 1.0) -> Plan:
    """Choose the rules by the seed."""
    return Plan(
        seed,
        days,
        trouble=trouble,
        online=_ONLINE[seed % 3],
        offline=_OFFLINE[seed // 3 % 3],
        late_refusal=_LATE[seed // 9 % 3],
    )


def _judge(world: World) -> None:
    problems = list(find_differences(world))
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(problems[:_SHOWN])


@pytest.mark.parametrize("seed", range(SCALE))
def test_the_backends_final_view_is_what_really_happened(seed: int) -> None:
    """Whoever charged is charged for it, to the Wh and the second, and nobody else."""
    probe = MemoryProbe()
    simulate(plan_of(seed, DAYS), _judge, probe=probe)
    assert probe.find_too_long() == []


@pytest.mark.parametrize("seed", range(100, 100 + HARD_SEEDS))
def test_the_same_holds_while_everything_breaks_all_the_time(seed: int) -> None:
    """Thirty interruptions a day, half of them just when somebody does something."""
    simulate(plan_of(seed, HARD_DAYS, HARD), _judge)


def test_a_run_of_weeks_takes_no_more_memory_than_one_of_days() -> None:
    """Nothing that can be reached from the agent grows, nor does the process."""
    probe = MemoryProbe()
    resident = []

    def look(world: World) -> None:
        probe(world)
        if round(world.now()) % round(DAY_S) == 0:
            resident.append(_resident_bytes())

    simulate(Plan(0, QUIET_DAYS, restarts=False), _judge, probe=look)
    assert probe.find_growth() == []
    grown = resident[-1] - resident[0]
    assert grown < _BOOKS_BYTES_A_DAY * len(resident), resident


def _resident_bytes() -> int:
    """Read what the kernel says of this process (proc(5), statm)."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096

"""How much memory the agent holds: everything that can be reached from it."""

from __future__ import annotations

import asyncio
import gc
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.simulation.power import Life
    from tests.simulation.world import World

#: What leads out of the agent, or has been there from the beginning. The size that a
#: Raw without a message tells is a random number.
_ELSEWHERE: Final = (ModuleType, FunctionType, type, asyncio.AbstractEventLoop)
_SIZELESS: Final = msgspec.Raw
_OURS: Final = ("agent", "drivers")
#: At 8 sockets, 3 readers and 2 backends, however many cards and sessions there were.
AT_MOST: Final = {
    "tasks": 80,
    "fields": 3,
    "locks": 16,
    "checks": 12,
    "grants": 12,
    "flashes": 3,
    "refusals": 33,
    "shut": 3,
    "inputs": 20,
    "unrecorded": 20,
    "withdrawals": 0,
    "bases": 101,
    "conditions": 40,
    "tokens to learn": 10,
    "attempts": 40,
    "rests": 40,
    "deliveries": 8,
    "questions": 20,
}
_NIGHT_HOUR: Final = 4
#: Sessions under way, and why something is down, make a difference.
_FLAT: Final = 1.1


class MemoryProbe:
    """Looks at the agent every hour; `sizes` has its size every night."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.most = dict.fromkeys(AT_MOST, 0)

    def __call__(self, world: World) -> None:
        """Look."""
        life = world.machine.life
        if life is None or not hasattr(life.daemon, "parts"):
            return
        for name, length in lengths_of(life).items():
            self.most[name] = max(self.most[name], length)
        if round(world.now() / 3600) % 24 == _NIGHT_HOUR:
            self.sizes.append(size_of(life))

    def find_too_long(self) -> list[str]:
        """Say what has been longer than it may be."""
        return [
            f"{length} {name}"
            for name, length in self.most.items()
            if length > AT_MOST[name]
        ]

    def find_growth(self) -> list[str]:
        """Say what has been too long, or has become ever longer."""
        part = max(len(self.sizes) // 3, 1)
        early, late = max(self.sizes[:part]), max(self.sizes[-part:])
        grown = [f"{self.sizes} bytes"] if late > early * _FLAT else []
        return grown + self.find_too_long()


def size_of(life: Life) -> int:
    """Add up everything that can be reached from the agent and its modules."""
    gc.collect()
    seen: dict[int, Any] = {}
    waiting = [life.daemon, *life.tasks, *_module_contents()]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not _is_elsewhere(thing):
            seen[id(thing)] = thing
            waiting += gc.get_referents(thing)
    return sum(
        sys.getsizeof(thing)
        for thing in seen.values()
        if not isinstance(thing, _SIZELESS)
    )


def lengths_of(life: Life) -> dict[str, int]:
    """Count what might grow."""
    assert life.daemon is not None
    parts = life.daemon.parts
    station, runner = parts.runner.station, parts.runner
    deliveries = [upstream.delivery for upstream in parts.upstreams]
    inquiries = parts.authorizer._inquiries.values()
    return {
        "tasks": len(life.tasks),
        "fields": len(station.fields),
        "locks": len(station.locks),
        "checks": len(station.checks),
        "grants": len(station.grants),
        "flashes": len(station.flashes),
        "refusals": _total(station.refusals.values()),
        "shut": len(station.shut),
        "inputs": runner._inputs.qsize(),
        "unrecorded": len(runner._unrecorded),
        "withdrawals": len(runner._withdrawals),
        "bases": len(parts.timekeeper._bases),
        "conditions": len(parts.health.conditions()),
        "tokens to learn": parts.authorizer._to_learn.qsize(),
        "attempts": _total(one._attempts for one in deliveries),
        "rests": _total(one._session_rests_until for one in deliveries),
        "deliveries": _total(one._running for one in deliveries),
        "questions": _total(one._under_way for one in inquiries),
    }


def _total(collections: Iterable[Any]) -> int:
    return sum(len(one) for one in collections)


def _module_contents() -> Iterator[Any]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _OURS:
            yield from vars(module).values()


def _is_elsewhere(thing: Any) -> bool:  # noqa: ANN401 - anything at all
    return isinstance(thing, _ELSEWHERE) or type(thing).__module__.startswith("tests.")

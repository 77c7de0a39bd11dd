"""Everybody and everything at the station of a soak; what they do is the seed's."""

from __future__ import annotations

import heapq
import os
import random
import signal
import time
from itertools import count
from typing import TYPE_CHECKING, Final

from tests.soak.station import CARDS, E4, LOW_FREQUENCY, SIDE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.interop.extrawest import ExtrawestServer, FaultKind
    from tests.soak.samples import Sampler
    from tests.soak.station import SoakStation

#: How often something is done, among all that is done.
MIXES: Final[Mapping[str, Mapping[str, float]]] = {
    "busy": {
        "tap": 20,
        "vehicle": 9,
        "reader": 0.4,
        "charger": 0.3,
        "backend": 0.3,
        "pcscd": 0.15,
        "reload": 0.3,
    },
    "rough": {
        "tap": 12,
        "vehicle": 7,
        "reader": 2.5,
        "charger": 1.5,
        "backend": 0.8,
        "pcscd": 0.5,
        "reload": 0.6,
    },
}
_FAULTS: Final[tuple[FaultKind, ...]] = (
    "status",
    "html",
    "cut_before",
    "cut_after",
    "delay",
    "drop_envelope",
    "truncate",
)
_PAUSE_S: Final = (0.05, 0.9)
_HOLD_S: Final = (0.3, 1.5)
_TROUBLE_S: Final = (0.5, 8.0)
_OUTAGE_S: Final = (1.0, 25.0)


class Crowd:
    """Acts at random; what is broken is mended some time later."""

    def __init__(
        self,
        station: SoakStation,
        emsp: ExtrawestServer,
        sampler: Sampler,
        mix: str,
        seed: int,
    ) -> None:
        self.done: dict[str, int] = {}
        self._station = station
        self._emsp = emsp
        self._sampler = sampler
        self._mix = MIXES[mix]
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._number = count()
        self._is_emsp_there = True
        self._is_pcscd_there = True

    def act(self) -> None:
        """Do one thing, what is due, and pause a little."""
        (kind,) = self._random.choices(list(self._mix), list(self._mix.values()))
        self._count(kind)
        getattr(self, f"_{kind}")()
        self._do_due(time.monotonic())
        time.sleep(self._random.uniform(*_PAUSE_S))

    def kill_daemon(self) -> None:
        """End it at once; time goes on, and it is started again."""
        self._count("kill")
        agent = self._station.agent
        agent.kill()
        gone_until = time.monotonic() + self._random.uniform(0.0, 6.0)
        while time.monotonic() < gone_until:
            if self._random.random() < 0.5:
                self._vehicle()
            self._do_due(time.monotonic())
            time.sleep(self._random.uniform(*_PAUSE_S))
        agent.start()
        self._sampler.born()

    def settle(self) -> None:
        """Mend everything, and let every vehicle leave."""
        self._do_due(float("inf"))
        for charger in self._station.chargers:
            charger.mend()
            if charger.is_plugged:
                charger.unplug()
        self._emsp.clear_faults()
        self._reload_with(has_side_reader=False, has_fourth=False)

    # ---- what happens ---------------------------------------------------------------

    def _tap(self) -> None:
        station = self._station
        reader = self._random.choice(station.readers)
        uids = [*LOW_FREQUENCY] if reader.is_low_frequency else [*CARDS, UNKNOWN]
        # Mostly one that charges, so that much is going on.
        weights = [4 if uid in list(uids)[:3] else 1 for uid in uids]
        (uid,) = self._random.choices(uids, weights)
        if reader.is_there:
            reader.lay(uid)
            self._in(_HOLD_S, reader.lift)

    def _vehicle(self) -> None:
        charger = self._random.choice(self._station.chargers)
        if charger.is_plugged:
            charger.unplug()
        elif charger.is_there:
            charger.plug()

    def _reader(self) -> None:
        reader = self._random.choice(self._station.readers)
        if reader not in self._station.pcsc_readers and reader.is_there:
            reader.lose()
            self._in(_TROUBLE_S, reader.mend)

    def _charger(self) -> None:
        charger = self._random.choice(self._station.chargers)
        if charger.is_there:
            charger.lose()
            self._in(_TROUBLE_S, charger.mend)

    def _backend(self) -> None:
        if not self._is_emsp_there:
            return
        if self._random.random() < 0.4:
            self._is_emsp_there = False
            self._random.choice((self._emsp.stop, self._emsp.kill))()
            self._in(_OUTAGE_S, self._bring_emsp_back)
        else:
            self._emsp.set_fault(
                self._random.choice(_FAULTS),
                path=self._random.choice(("sessions", "tokens", "authorize", "")),
                times=self._random.randint(1, 4),
                seconds=self._random.uniform(0.5, 4.0),
            )

    def _bring_emsp_back(self) -> None:
        self._emsp.stop()
        self._emsp.start()
        self._is_emsp_there = True

    def _pcscd(self) -> None:
        if not self._is_pcscd_there:
            return
        self._is_pcscd_there = False
        for reader in self._station.pcsc_readers:
            reader.lift()
            reader.lose()
        pcscd = self._station.pcscd
        self._random.choice((pcscd.kill, pcscd.stop, pcscd.unplug))()
        self._in(_TROUBLE_S, self._bring_pcscd_back)

    def _bring_pcscd_back(self) -> None:
        self._station.pcscd.plug()
        self._is_pcscd_there = True
        for reader in self._station.pcsc_readers:
            reader.mend()

    def _reload(self) -> None:
        kind = self._random.choice(("same", "side", "fourth", "both", "bad"))
        if kind == "bad":
            agent = self._station.agent
            agent.config.write_text("[station\n")
            os.kill(agent.pid, signal.SIGHUP)
            agent.expect_log("reload refused")
            return
        self._reload_with(
            has_side_reader=kind in {"side", "both"},
            has_fourth=kind in {"fourth", "both"},
        )

    def _reload_with(self, *, has_side_reader: bool, has_fourth: bool) -> None:
        station = self._station
        station.configure(has_side_reader=has_side_reader, has_fourth=has_fourth)
        station.drain()
        station.agent.reload()
        station.agent.wait_until_ready()
        if has_fourth:
            station.agent.plug(E4)
        if has_side_reader:
            station.agent.lay_on(UNKNOWN, SIDE)

    # ---- inside ---------------------------------------------------------------------

    def _in(self, span_s: tuple[float, float], act: Callable[[], object]) -> None:
        due = time.monotonic() + self._random.uniform(*span_s)
        heapq.heappush(self._later, (due, next(self._number), act))

    def _do_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()

    def _count(self, kind: str) -> None:
        self.done[kind] = self.done.get(kind, 0) + 1

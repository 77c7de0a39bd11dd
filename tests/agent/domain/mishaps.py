"""Random histories: what vehicles, chargers, the disk, the clock and the power do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from msgspec.structs import replace

from agent.domain.messages import (
    ChargerCleared,
    ChargerFaulted,
    Closing,
    MeterRead,
    Tick,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.domain.places import Place
from agent.domain.settings import Owner
from tests.agent.domain.histories import Drivers
from tests.agent.domain.world import READERS, cards, evses, readers, seldom, tariffs

STEPS = {"a day back": timedelta(days=-1), "an hour on": timedelta(hours=1)}
OTHER_READERS = [READERS, {"left": ("E1", "E3")}, {"right": ("E1", "E2", "E3")}]


class Vehicles(Drivers):
    """Vehicles that come and go, and meters that count."""

    @rule(evse_uid=evses)
    def plug(self, evse_uid: str) -> None:
        """Plug in; a charger out of reach cannot tell."""
        self.box(evse_uid).connected = True
        if self.reachable(evse_uid):
            self.shell.send(VehicleConnected(evse_uid))
        self.obey_unless_slow()

    @rule(evse_uid=evses, card=cards, reader=readers)
    def arrive(self, evse_uid: str, card: str, reader: str) -> None:
        """Plug in and tap, as most drivers do."""
        self.plug(evse_uid)
        self.tap(card, reader, set())

    @rule(card=cards)
    def arrive_with_a_fleet(self, card: str) -> None:
        """One card charges at every reader."""
        for reader, evse_uids in self.shell.settings.readers.items():
            self.plug(evse_uids[-1])
            self.tap(card, reader, set())

    @rule(evse_uid=evses)
    def unplug(self, evse_uid: str) -> None:
        """Unplug; a charger out of reach cannot tell."""
        self.box(evse_uid).connected = False
        if self.reachable(evse_uid):
            self.shell.send(VehicleDisconnected(evse_uid))
        self.obey_unless_slow()

    @rule(evse_uid=evses, add=st.integers(1, 5000), reset=seldom)
    def meter(self, evse_uid: str, add: int, *, reset: bool) -> None:
        """The register moves while energy flows, and rarely starts anew."""
        box = self.box(evse_uid)
        box.wh = 0 if reset else box.wh + add * box.enabled
        if self.reachable(evse_uid):
            self.shell.send(MeterRead(evse_uid, box.wh))
        self.obey_unless_slow()

    @rule(
        watts=st.sampled_from([0, 3700, 22_000, 900_000]),
        minutes=st.sampled_from([0.2, 1.0, 5.0, 60.0]),
    )
    def deliver(self, watts: int, minutes: float) -> None:
        """Energy flows wherever it can, and every register is read."""
        self.pass_time(minutes * 60)
        for evse_uid, box in self.shell.boxes.items():
            box.wh += int(watts * minutes / 60) * box.enabled
            if self.reachable(evse_uid):
                self.shell.send(MeterRead(evse_uid, box.wh))
        self.obey_unless_slow()


class Chargers(Vehicles):
    """Chargers that are slow, fail, fault and vanish."""

    @precondition(lambda self: self.commanded())
    @rule(fails=st.booleans(), data=st.data())
    def work(self, data: st.DataObject, *, fails: bool) -> None:
        """A slow charger carries out its oldest command, or fails at it."""
        evse_uid = data.draw(st.sampled_from(self.commanded()))
        if fails:
            self.shell.disobey(evse_uid)
        else:
            self.shell.obey(evse_uid)

    @precondition(lambda self: self.commanded())
    @rule(failing=st.sets(evses))
    def work_all(self, failing: set[str]) -> None:
        """Every charger does what it was told so far, or fails at all of it."""
        for evse_uid in self.commanded():
            for _ in range(len(self.box(evse_uid).commands)):
                if evse_uid in failing:
                    self.shell.disobey(evse_uid)
                else:
                    self.shell.obey(evse_uid)

    @rule(slow=st.booleans())
    def slow_down(self, *, slow: bool) -> None:
        """Chargers take their time from now on, or none."""
        self.slow = slow
        self.obey_unless_slow()

    @rule(evse_uid=evses, comes=st.booleans())
    def fault(self, evse_uid: str, *, comes: bool) -> None:
        """A fault comes, or goes if there is one."""
        self.box(evse_uid).fault = "GFCI" if comes else None
        if self.reachable(evse_uid):
            news = ChargerFaulted(evse_uid, "GFCI") if comes else None
            self.shell.send(news or ChargerCleared(evse_uid))
        self.obey_unless_slow()

    @rule(evse_uid=evses, back=st.booleans(), runaway=seldom)
    def lose(self, evse_uid: str, *, back: bool, runaway: bool) -> None:
        """The link to a charger breaks; what it was told may still arrive."""
        self.shell.lose(evse_uid)
        box = self.box(evse_uid)
        if runaway and not box.enabled:
            box.enabled = box.runaway = True
        if back:
            self.find()

    @precondition(lambda self: not all(map(self.reachable, self.shell.evse_uids)))
    @rule()
    def find(self) -> None:
        """All lost chargers are back."""
        for evse_uid in self.shell.evse_uids:
            if not self.reachable(evse_uid):
                self.shell.find(evse_uid)
        self.obey_unless_slow()


class Mishaps(Chargers):
    """What happens to the station itself."""

    @rule(mishap=st.sampled_from(["disk full", "disk has room", "tick", "closing"]))
    def go_wrong(self, mishap: str) -> None:
        """The disk, a Tick that nobody asked for, or a stop that is called off."""
        match mishap:
            case "disk full" | "disk has room":
                self.shell.disk_full = mishap == "disk full"
                self.shell.write_the_rest()
            case "tick":
                self.shell.send(Tick())
            case "closing":
                self.shell.send(Closing())
                self.obey_unless_slow()

    @precondition(lambda self: not self.sound)
    @rule(step=st.sampled_from(sorted(STEPS)))
    def set_wall(self, step: str) -> None:
        """Somebody sets the clock."""
        self.shell.clock.set_wall(STEPS[step])

    @precondition(lambda self: self.sound)
    @rule(known=st.booleans(), lag_h=st.integers(-99, 99))
    def synchronize(self, lag_h: int, *, known: bool) -> None:
        """The clock learns the time, or is no longer sure of it and drifts."""
        clock = self.shell.clock
        if known:
            clock.learn_the_time()
        elif clock.synchronized:
            clock.lose_the_time(timedelta())
        elif clock.now().boot_id not in clock.bases:
            clock.lose_the_time(timedelta(hours=lag_h))

    @rule(
        dark_s=st.sampled_from([1, 3600]),
        dead=st.booleans(),
        gone=st.none() | evses,
        known=st.booleans(),
    )
    def cut_power(
        self, dark_s: int, gone: str | None, *, dead: bool, known: bool
    ) -> None:
        """A power cut; chargers may come back switched off and a vehicle gone."""
        for box in self.shell.boxes.values():
            box.enabled = box.enabled and not dead
        if gone:
            self.box(gone).connected = False
        self.shell.restart(timedelta(seconds=dark_s))
        if self.sound and not known:
            self.shell.clock.lose_the_time(-timedelta(seconds=dark_s))
        for evse_uid in self.shell.evse_uids:
            self.shell.find(evse_uid)
        self.obey_unless_slow()

    @rule(
        others=st.sampled_from(OTHER_READERS),
        took_s=st.sampled_from([0, 3, 90]),
        rules=st.fixed_dictionaries(
            {},
            optional={
                "unknown_owner": st.sampled_from([None, Owner("hub", "SE", "HUB")]),
                "owners": st.sampled_from([{}, {"cpo": Owner("cpo", "SE", "NEW")}]),
                "tell_grants": st.booleans(),
                "tariff": st.none() | tariffs(),
                "places": st.just({"E1": Place(location_id="LOC-2")}),
            },
        ),
    )
    def reload(
        self, others: dict[str, tuple[str, ...]], took_s: int, rules: dict[str, Any]
    ) -> None:
        """The configuration is read again, and has other readers and prices."""
        while self.commanded():
            self.shell.obey(self.commanded()[0])
        self.shell.clock.move(timedelta(seconds=took_s))
        self.shell.reload(replace(self.shell.settings, readers=others, **rules))
        self.obey_unless_slow()

"""Random histories of a station: what must be true is true after every step.

The ledger and the shell check each step: one outcome per tap and per grant, a durable
row before energy, one open session under energy, nothing forgotten, nothing backwards.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from agent.domain.messages import (
    Answered,
    AskUpstream,
    CardLifted,
    CardTapped,
    CardUnread,
    ChargerCleared,
    ChargerFaulted,
    MeterRead,
    Tick,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.station import Owner, Select, Settings, next_deadline
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)
from agent.domain.uid import Technology, Uid
from tests.agent.domain.shell import Box, Shell
from tests.fakes.cards import token_of, uid_of

CLOCK = {"a day back": timedelta(days=-1), "an hour on": timedelta(hours=1)}
READERS = {"left": ("E1",), "both": ("E1", "E2"), "right": ("E3", "E2")}

readers = st.sampled_from(sorted(READERS))
evses = st.sampled_from(["E1", "E2", "E3"])
cards = st.sampled_from("ABCD")
limits = st.sets(st.sampled_from(["e1", "e2", "e3", "e9"]), max_size=2)
moments = st.sampled_from([0.1, 1.9, 2.0, 4.0, 5.0, 30.0, 60.0, 61.0, 4000.0])
modes = st.builds(
    Modes, st.sampled_from(OnlineMode), st.sampled_from(OfflineMode), st.booleans()
)
seldom = st.sampled_from([False] * 7 + [True])
kinds = st.none() | st.tuples(st.sampled_from(WhitelistType), st.booleans())


def _reply(
    token: Token | None, verdict: Verdict | None, limit: set[str], *, heard: bool
) -> Reply:
    if not heard:
        return NoAnswer("HTTP 500")
    if verdict is None:
        return Misconfigured("HTTP 401")
    return Answer(
        upstream="cpo", verdict=verdict, token=token, evse_uids=frozenset(limit)
    )


class StationMachine(RuleBasedStateMachine):
    """Drivers, vehicles, backends, chargers, a disk and the power, all at random."""

    shell: Shell

    def __init__(self) -> None:
        super().__init__()
        self.whitelist: dict[str, Token | None] = {}
        self.taps = 0
        self.slow = False

    @initialize(modes=modes, select=st.sampled_from(Select), tap_to_stop=st.booleans())
    def start(self, modes: Modes, select: Select, *, tap_to_stop: bool) -> None:
        """Build a station and let it meet its chargers."""
        self.shell = Shell(
            Settings(
                readers=READERS,
                modes=modes,
                select=select,
                tap_to_stop=tap_to_stop,
                unknown_owner=Owner("cpo", "SE", "ABC"),
            )
        )
        for evse_uid in self.shell.evse_uids:
            self.shell.find(evse_uid)

    # ---- drivers

    @rule(card=cards, kind=kinds)
    def list_card(self, card: str, kind: tuple[WhitelistType, bool] | None) -> None:
        """A synchronisation changes or removes a row."""
        if kind is None:
            self.whitelist[card] = None
        else:
            self.whitelist[card] = token_of(card, kind[0], valid=kind[1])

    @rule(card=cards, reader=readers, left=seldom, damaged=seldom)
    def tap(self, card: str, reader: str, *, left: bool, damaged: bool) -> None:
        """A driver lays a card on, and most take it away again."""
        token = self.whitelist.get(card, token_of(card))
        self._tap(uid_of(card), reader, token, lookup_failed=damaged)
        if not left:
            self.shell.send(CardLifted(reader, "0"))

    @rule(raw=st.none() | st.binary(max_size=5), reader=readers)
    def tap_no_card(self, raw: bytes | None, reader: str) -> None:
        """A phone, a torn read, a foreign card, or something without a number."""
        if raw is not None:
            self._tap(Uid.from_bytes(raw), reader, None)
            return
        self.taps += 1
        self.shell.send(CardUnread(tap_id=f"T{self.taps}", reader=reader))

    @rule(reader=readers)
    def lift(self, reader: str) -> None:
        """Whatever lies on the reader is taken away."""
        self.shell.send(CardLifted(reader, "0"))

    def _tap(
        self, uid: Uid, reader: str, token: Token | None, *, lookup_failed: bool = False
    ) -> None:
        self.taps += 1
        self.shell.send(
            CardTapped(
                tap_id=f"T{self.taps}",
                reader=reader,
                slot="0",
                uid=uid,
                technology=Technology.ISO14443,
                token=token,
                lookup_failed=lookup_failed,
            )
        )
        self._obey_unless_slow()

    # ---- backends and time

    def _questions(self) -> list[AskUpstream]:
        return [one for one in self.shell.effects if isinstance(one, AskUpstream)]

    @precondition(lambda self: self._questions())
    @rule(
        back=st.integers(1, 4),
        verdict=st.none() | st.sampled_from(Verdict),
        limit=limits,
        heard=st.booleans(),
        changed=kinds,
    )
    def reply(
        self,
        back: int,
        verdict: Verdict | None,
        limit: set[str],
        changed: tuple[WhitelistType, bool] | None,
        *,
        heard: bool,
    ) -> None:
        """A reply to a recent question: in time, late, repeated or unintelligible."""
        asked = self._questions()[-back:][0]
        token = None
        if changed is not None:
            token = token_of("A", changed[0], valid=changed[1], group_id="FLEET")
        reply = _reply(token, verdict, limit, heard=heard)
        self.shell.send(Answered(asked.tap_id, reply))
        self._obey_unless_slow()

    @rule(seconds=moments)
    def oversleep(self, seconds: float) -> None:
        """Time passes, and whoever should have sent a Tick was busy."""
        self.shell.clock.move(timedelta(seconds=seconds))

    @rule(seconds=moments)
    def pass_time(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self.shell.pass_time(timedelta(seconds=seconds))
        self._obey_unless_slow()

    # ---- vehicles and chargers

    def _box(self, evse_uid: str) -> Box:
        return self.shell.boxes[evse_uid]

    def _reachable(self, evse_uid: str) -> bool:
        return self.shell.station.evses[evse_uid].reachable

    @rule(evse_uid=evses)
    def plug(self, evse_uid: str) -> None:
        """Plug in; a charger out of reach cannot tell."""
        self._box(evse_uid).connected = True
        if self._reachable(evse_uid):
            self.shell.send(VehicleConnected(evse_uid))
        self._obey_unless_slow()

    @rule(evse_uid=evses, card=cards, reader=readers)
    def arrive(self, evse_uid: str, card: str, reader: str) -> None:
        """Plug in and tap, as most drivers do."""
        self.plug(evse_uid)
        self.tap(card, reader, left=False, damaged=False)

    @rule(evse_uid=evses)
    def unplug(self, evse_uid: str) -> None:
        """Unplug, with or without a vehicle."""
        self._box(evse_uid).connected = False
        if self._reachable(evse_uid):
            self.shell.send(VehicleDisconnected(evse_uid))
        self._obey_unless_slow()

    @rule(evse_uid=evses, add=st.integers(1, 5000), reset=seldom)
    def meter(self, evse_uid: str, add: int, *, reset: bool) -> None:
        """The register moves while energy flows, and rarely starts anew."""
        box = self._box(evse_uid)
        box.wh = 0 if reset else box.wh + add * box.enabled
        if self._reachable(evse_uid):
            self.shell.send(MeterRead(evse_uid, box.wh))

    def _commanded(self) -> list[str]:
        return [uid for uid, box in self.shell.boxes.items() if box.commands]

    def _obey_unless_slow(self) -> None:
        while not self.slow and (commanded := self._commanded()):
            self.shell.obey(commanded[0])

    @precondition(lambda self: self._commanded())
    @rule(fails=st.booleans(), data=st.data())
    def work(self, data: st.DataObject, *, fails: bool) -> None:
        """A slow charger carries out its oldest command, or fails at it."""
        evse_uid = data.draw(st.sampled_from(self._commanded()))
        if fails:
            self.shell.disobey(evse_uid)
        else:
            self.shell.obey(evse_uid)

    # ---- what goes wrong

    @rule(slow=st.booleans())
    def slow_down(self, *, slow: bool) -> None:
        """Chargers take their time from now on, or none."""
        self.slow = slow
        self._obey_unless_slow()

    @rule(evse_uid=evses, comes=st.booleans())
    def fault(self, evse_uid: str, *, comes: bool) -> None:
        """A fault comes, or goes if there is one."""
        self._box(evse_uid).fault = "GFCI" if comes else None
        if self._reachable(evse_uid):
            news = ChargerFaulted(evse_uid, "GFCI") if comes else None
            self.shell.send(news or ChargerCleared(evse_uid))
        self._obey_unless_slow()

    @rule(evse_uid=evses, back=st.booleans())
    def lose(self, evse_uid: str, *, back: bool) -> None:
        """The link to a charger breaks; what it was told may still arrive."""
        self.shell.lose(evse_uid)
        if back:
            self.find()

    @precondition(lambda self: not all(map(self._reachable, self.shell.evse_uids)))
    @rule()
    def find(self) -> None:
        """All lost chargers are back."""
        for evse_uid in self.shell.evse_uids:
            if not self._reachable(evse_uid):
                self.shell.find(evse_uid)
        self._obey_unless_slow()

    @rule(mishap=st.sampled_from(["disk full", "disk has room", "tick", *CLOCK]))
    def go_wrong(self, mishap: str) -> None:
        """The disk, the wall clock, or a Tick that nobody asked for."""
        match mishap:
            case "disk full" | "disk has room":
                self.shell.disk_full = mishap == "disk full"
            case "tick":
                self.shell.send(Tick())
            case _:
                self.shell.clock.set_wall(CLOCK[mishap])

    @rule(dark_s=st.sampled_from([1, 3600]), dead=st.booleans(), gone=st.none() | evses)
    def cut_power(self, dark_s: int, *, dead: bool, gone: str | None) -> None:
        """A power cut; chargers may come back switched off and a vehicle gone."""
        for box in self.shell.boxes.values():
            box.enabled = box.enabled and not dead
        if gone:
            self._box(gone).connected = False
        self.shell.restart(timedelta(seconds=dark_s))
        for evse_uid in self.shell.evse_uids:
            self.shell.find(evse_uid)
        self._obey_unless_slow()

    # ---- the end of every history

    def teardown(self) -> None:
        """Once the world is whole again, nothing is left open and nobody locked."""
        if not hasattr(self, "shell"):
            return
        self.shell.disk_full = self.slow = False
        self._settle()
        for evse_uid in self.shell.evse_uids:
            if not self._reachable(evse_uid):
                self.shell.find(evse_uid)
            self.shell.send(ChargerCleared(evse_uid))
            self._box(evse_uid).connected = False
            self.shell.send(VehicleDisconnected(evse_uid))
        self._settle()
        self._check_nothing_is_left()
        self._check_nobody_is_locked()

    def _settle(self) -> None:
        self._obey_unless_slow()
        self.shell.pass_time(timedelta(hours=1))
        self._obey_unless_slow()

    def _check_nothing_is_left(self) -> None:
        assert next_deadline(self.shell.station) is None
        assert not self.shell.ledger.open_taps
        assert not self.shell.ledger.open_grants
        known = self.shell.ledger.known.values()
        assert not [one for one in known if one.is_open]
        assert not [box for box in self.shell.boxes.values() if box.enabled]

    def _check_nobody_is_locked(self) -> None:
        for card, evse_uid in (("A", "E1"), ("B", "E3")):
            reader = {"E1": "left", "E3": "right"}[evse_uid]
            self.shell.send(CardLifted(reader, "0"))
            self._box(evse_uid).connected = True
            self.shell.send(VehicleConnected(evse_uid))
            self._tap(uid_of(card), reader, token_of(card))
            assert self._box(evse_uid).enabled
        self.shell.disk_full = True
        self._settle()
        for card, reader in (("A", "left"), ("B", "right")):
            self.shell.send(CardLifted(reader, "0"))
            self._tap(uid_of(card), reader, None, lookup_failed=True)
        self._settle()
        if self.shell.settings.tap_to_stop:
            assert not [box for box in self.shell.boxes.values() if box.enabled]


TestStation = StationMachine.TestCase
TestStation.settings = settings(
    max_examples=400,
    stateful_step_count=50,
    suppress_health_check=[HealthCheck.too_slow],
)

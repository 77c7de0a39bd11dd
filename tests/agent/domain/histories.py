"""Random histories: what drivers, backends and operators may do, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agent.domain.messages import (
    Answered,
    AskUpstream,
    CardLifted,
    CardTapped,
    CardUnread,
    Revalidate,
    UpstreamUp,
    Withdraw,
)
from agent.domain.outcomes import StopReason
from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.settings import LateRefusal, Owner, Select, Settings
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

if TYPE_CHECKING:
    from collections.abc import Callable

READERS = {"left": ("E1",), "both": ("E1", "E2"), "right": ("E3", "E2")}
#: A and B are colleagues, C only seems to be one, D is alone and M may stop everybody.
GROUPS = {"A": "FLEET", "B": "fleet", "C": "FLEET", "D": None, "M": "Boss"}
MINUTE = timedelta(minutes=1)

readers = st.sampled_from(sorted(READERS))
evses = st.sampled_from(["E1", "E2", "E3"])
cards = st.sampled_from("AAABBCDM")
limits = st.sets(st.sampled_from(["e1", "e2", "e3", "e9"]), max_size=2)
moments = st.sampled_from([0.1, 0.2, 1.9, 2.0, 4.0, 5.0, 30.0, 60.0, 301.0, 4000.0])
kinds = st.sampled_from(
    [
        *[(WhitelistType.ALWAYS, True)] * 4,
        *[(whitelist, True) for whitelist in WhitelistType] * 3,
        *[(whitelist, False) for whitelist in WhitelistType],
        *[None] * 3,
    ]
)
seldom = st.sampled_from([False] * 7 + [True])
modes = st.builds(
    Modes, st.sampled_from(OnlineMode), st.sampled_from(OfflineMode), st.booleans()
)
rules_of_the_station = st.fixed_dictionaries(
    {
        "modes": modes,
        "select": st.sampled_from(Select),
        "tap_to_stop": st.sampled_from([True, True, False]),
        "tap_before_plug": st.sampled_from([True, True, False]),
        "ignore_faults": st.booleans(),
        "group_starts_first": st.booleans(),
        "plug_in_timeout": st.sampled_from([None, timedelta(), MINUTE]),
        "stop_lockout": st.sampled_from([timedelta(), timedelta(seconds=5)]),
        "connection_timeout": st.sampled_from([timedelta(seconds=3), MINUTE]),
        "max_refusals": st.sampled_from([0, 2, 10]),
        "late_refusal": st.sampled_from(LateRefusal),
        "late_refusal_cap_wh": st.sampled_from([1, 3000]),
        "master_group": st.sampled_from(["", "BOSS"]),
        "owners": st.sampled_from([{}, {"cpo": Owner("cpo", "SE", "EMS")}]),
        "unknown_owner": st.sampled_from([None, Owner("cpo", "SE", "ABC")]),
    }
)


def listed(card: str, kind: tuple[WhitelistType, bool]) -> Token:
    """List a card in the way drawn, in the group that it is of."""
    party = "OTH" if card == "C" else "EMS"
    return token_of(card, kind[0], valid=kind[1], group_id=GROUPS[card], party_id=party)


@st.composite
def replies(draw: st.DrawFn) -> Callable[[str], Reply]:
    """Draw what a backend says of a card, whichever it is."""
    verdict = draw(st.sampled_from([*[Verdict.ALLOWED] * 4, *Verdict, None, None]))
    limit = frozenset(draw(st.just(set()) | limits))
    kind = draw(kinds)
    if verdict is None:
        other = draw(st.sampled_from([NoAnswer("HTTP 500"), Misconfigured("401")]))
        return lambda _: other
    return lambda card: Answer(
        upstream="cpo",
        verdict=verdict,
        token=listed(card, kind) if kind and card in GROUPS else None,
        evse_uids=limit,
    )


class World(RuleBasedStateMachine):
    """A station, its whitelist, and time."""

    shell: Shell

    def __init__(self) -> None:
        super().__init__()
        self.whitelist: dict[str, Token | None] = {}
        self.taps = 0
        self.slow = False
        #: Whether the clock tells the truth whenever it says so.
        self.sound = True

    @initialize(
        rules=rules_of_the_station,
        rows=st.fixed_dictionaries(dict.fromkeys(GROUPS, kinds)),
        clock=st.sampled_from(["knows", "will know", "is set at will"]),
        lag_h=st.integers(-99, 99),
        slow=st.booleans(),
    )
    def start(
        self,
        rules: dict[str, Any],
        rows: dict[str, tuple[WhitelistType, bool] | None],
        clock: str,
        lag_h: int,
        *,
        slow: bool,
    ) -> None:
        """Build a station, list its cards, and let it meet its chargers."""
        self.slow = slow
        for card, kind in rows.items():
            self.list_card(card, kind)
        self.shell = Shell(Settings(readers=READERS, **rules))
        self.sound = clock != "is set at will"
        if clock == "will know":
            self.shell.clock.lose_the_time(timedelta(hours=lag_h))
        for evse_uid in self.shell.evse_uids:
            self.shell.find(evse_uid)

    def list_card(self, card: str, kind: tuple[WhitelistType, bool] | None) -> None:
        """List a card in this way, or not at all."""
        self.whitelist[card] = listed(card, kind) if kind else None

    def box(self, evse_uid: str) -> Box:
        """Give a charger as it physically is."""
        return self.shell.boxes[evse_uid]

    def reachable(self, evse_uid: str) -> bool:
        """Say whether anybody can talk to a charger."""
        return self.shell.station.evses[evse_uid].reachable

    def commanded(self) -> list[str]:
        """Name the chargers that have something to do."""
        return [uid for uid, box in self.shell.boxes.items() if box.commands]

    def obey_unless_slow(self) -> None:
        """Let the chargers work."""
        while not self.slow and (commanded := self.commanded()):
            self.shell.obey(commanded[0])

    @rule(seconds=moments)
    def oversleep(self, seconds: float) -> None:
        """Time passes, and whoever should have sent a Tick was busy."""
        self.shell.clock.move(timedelta(seconds=seconds))

    @rule(seconds=moments)
    def pass_time(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self.shell.pass_time(timedelta(seconds=seconds))
        self.obey_unless_slow()


class Drivers(World):
    """Cards that come and go."""

    @rule(card=cards, kind=kinds)
    def synchronize_list(
        self, card: str, kind: tuple[WhitelistType, bool] | None
    ) -> None:
        """A synchronisation changes or removes a row."""
        self.list_card(card, kind)

    @rule(card=cards, reader=readers, how=st.sets(st.integers(0, 11), max_size=1))
    def tap(self, card: str, reader: str, how: set[int]) -> None:
        """A driver lays a card on, and most take it away again."""
        row = self.whitelist[card]
        damaged, stale, lying, left = (how == {number} for number in range(4))
        uid = uid_of(card)
        self.hold(uid, reader, row, lookup_failed=damaged, fresh=not stale, lying=lying)
        if not left:
            self.lift(reader)

    @rule(card=cards, reader=readers)
    def tap_again(self, card: str, reader: str) -> None:
        """The same driver comes back when no lockout is in the way."""
        self.lift(reader)
        self.pass_time(6.0)
        self.tap(card, reader, set())

    @rule(raw=st.none() | st.binary(max_size=5), reader=readers)
    def tap_no_card(self, raw: bytes | None, reader: str) -> None:
        """A phone, a torn read, a foreign card, or something without a number."""
        if raw is not None:
            self.hold(Uid.from_bytes(raw), reader, None)
            return
        self.taps += 1
        self.shell.send(CardUnread(tap_id=f"T{self.taps}", reader=reader))

    @rule(reader=readers)
    def walk_through_numbers(self, reader: str) -> None:
        """Somebody guesses."""
        for number in range(3):
            row = token_of("A", valid=False)
            self.hold(Uid.from_bytes(bytes([4, 0, 0, number])), reader, row)

    @rule(reader=readers)
    def lift(self, reader: str) -> None:
        """Whatever lies on the reader is taken away."""
        self.shell.send(CardLifted(reader, "0"))

    def hold(
        self,
        uid: Uid,
        reader: str,
        row: Token | None,
        *,
        lookup_failed: bool = False,
        **how: bool,
    ) -> None:
        """Hold any card to a reader; it always stops its own session."""
        if reader not in self.shell.settings.readers:
            return
        self.taps += 1
        tapped = CardTapped(
            tap_id=f"T{self.taps}",
            reader=reader,
            slot="0",
            uid=uid,
            technology=Technology.ISO14443,
            token=None if lookup_failed else row,
            lookup_failed=lookup_failed,
            **how,
        )
        own = self._own_session(tapped)
        self.shell.send(tapped)
        if own is not None:
            session = self.shell.station.evses[own].session
            assert session is not None
            assert session.stop_reason is not None, "a card that cannot stop"
        self.obey_unless_slow()

    def _own_session(self, tapped: CardTapped) -> str | None:
        """Find the EVSE where this tap must stop the card's own session."""
        shell, now = self.shell, self.shell.clock.monotonic
        station, settings, uid = shell.station, shell.settings, tapped.uid
        if not settings.tap_to_stop or tapped.lying:
            return None
        if station.fields.get((tapped.reader, tapped.slot)) == uid:
            return None
        if station.locks.get((tapped.reader, uid), timedelta()) > now:
            return None
        if any(check.claim.uid == uid for check in station.checks.values()):
            return None
        own = [
            (evse_uid, session)
            for evse_uid in settings.readers[tapped.reader]
            if (session := station.evses[evse_uid].session) and session.belongs_to(uid)
        ]
        stopping = [one for one in own if one[1].stop_reason is not None]
        return own[0][0] if own and not stopping else None


class Backends(Drivers):
    """Answers, late ones as well, and whoever may take back."""

    def _questions(self) -> list[AskUpstream | Revalidate]:
        kinds = (AskUpstream, Revalidate)
        return [one for one in self.shell.effects if isinstance(one, kinds)]

    @rule(
        card=cards,
        reader=readers,
        reply=replies(),
        after_s=st.sampled_from([0.0, 0.0, 0.3, 1.9, 2.1, 20.0]),
    )
    def ask(
        self, card: str, reader: str, reply: Callable[[str], Reply], after_s: float
    ) -> None:
        """A card is tapped, and its backend says something if it is asked."""
        before = len(self._questions())
        self.tap(card, reader, set())
        self.pass_time(after_s)
        if len(self._questions()) > before:
            self.reply(1, reply)

    @precondition(lambda self: self._questions())
    @rule(back=st.integers(1, 4), reply=replies())
    def reply(self, back: int, reply: Callable[[str], Reply]) -> None:
        """A reply to a recent question: in time, late, repeated or unintelligible."""
        asked = self._questions()[-back:][0]
        tap_id = asked.tap_id if isinstance(asked, AskUpstream) else None
        card = next((one for one in GROUPS if uid_of(one) == asked.uid), "?")
        self.shell.send(Answered(tap_id, asked.uid, asked.evse_uids, reply(card)))
        self.obey_unless_slow()

    @rule()
    def upstream_up(self) -> None:
        """A backend that had been silent answers again."""
        self.shell.send(UpstreamUp("cpo"))

    @rule(
        evse_uid=st.none() | evses,
        card=st.none() | cards,
        session=seldom,
        reason=st.sampled_from([StopReason.OPERATOR, StopReason.REMOTE]),
    )
    def withdraw(
        self,
        evse_uid: str | None,
        card: str | None,
        reason: StopReason,
        *,
        session: bool,
    ) -> None:
        """An operator takes back what he names."""
        self.taps += 1
        self.shell.send(
            Withdraw(
                request_id=f"W{self.taps}",
                reason=reason,
                evse_uid=evse_uid,
                uid=uid_of(card) if card else None,
                session_id="S1" if session else None,
            )
        )
        self.obey_unless_slow()

"""Random histories: a station whose every rule is drawn, its list, and time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from agent.domain.places import Place
from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.settings import LateRefusal, Owner, Select, Settings
from agent.domain.tariffs import Tariff
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)
from tests.agent.domain.shell import Box, Shell
from tests.fakes.cards import token_of

if TYPE_CHECKING:
    from collections.abc import Callable

READERS = {"left": ("E1",), "both": ("E1", "E2"), "right": ("E3", "E2")}
#: A and B are colleagues, C only seems to be one, D is alone and M may stop everybody.
GROUPS = {"A": "FLEET", "B": "fleet", "C": "FLEET", "D": None, "M": "Boss"}
MINUTE = timedelta(minutes=1)
NO_ANSWERS: list[Reply] = [NoAnswer("HTTP 500"), Misconfigured("HTTP 401")]

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


def tariffs() -> st.SearchStrategy[Tariff]:
    """Draw any prices that may be configured."""
    amounts = st.decimals(0, 999, places=6, allow_nan=False)
    return st.builds(
        Tariff,
        per_kwh=amounts,
        per_minute=amounts,
        per_session=amounts,
        vat_percent=st.sampled_from([Decimal(), Decimal("7.7"), Decimal(25)]),
        minor_digits=st.sampled_from([0, 2, 3]),
    )


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
        "tell_grants": st.booleans(),
        "tariff": st.none() | tariffs(),
        "places": st.sampled_from([{}, {"E1": Place(location_id="LOC-1")}]),
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
        other: Reply = draw(st.sampled_from(NO_ANSWERS))
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

"""Stories: a few lines that tell what drivers, vehicles and backends do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from agent.domain.messages import (
    Answered,
    AskUpstream,
    CardLifted,
    CardTapped,
    ChargerCleared,
    ChargerFaulted,
    MeterRead,
    Revalidate,
    UpstreamUp,
    VehicleConnected,
    VehicleDisconnected,
    Withdraw,
)
from agent.domain.outcomes import StopReason
from agent.domain.settings import Settings
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
)
from agent.domain.uid import Technology, Uid
from tests.agent.domain.account import Account
from tests.agent.domain.shell import Shell
from tests.fakes.cards import token_of, uid_of

Readers = Mapping[str, tuple[str, ...]]

ONE_EVSE: Readers = {"front": ("E1",)}
TWO_EVSES: Readers = {"front": ("E1", "E2")}
TWO_READERS: Readers = {"left": ("E1",), "right": ("E2",)}
EVSES = ("E1", "E2", "E3")
#: Longer than a lockout, shorter than everything else that ends by itself.
LOCKOUT_S = 6


class Story(Account):
    """A station on a fake clock; every card may charge unless `cards` says otherwise.

    Chargers obey at once while `obedient`; else a test lets each command succeed or
    fail. What the drivers are told is read with `told`, everything done with `trail`.
    """

    def __init__(
        self,
        readers: Readers = ONE_EVSE,
        *,
        cards: Mapping[str, Token | None] | None = None,
        **rules: Any,  # noqa: ANN401 - fields of Settings
    ) -> None:
        rules.setdefault("max_power_w", dict.fromkeys(EVSES, 10**9))
        self.shell = Shell(Settings(readers=dict(readers), **rules))
        self.cards = dict(cards or {})
        self.obedient = True
        self.lookup_fails = False
        self.rows_are_fresh = True
        self._taps = 0
        self._requests = 0
        for evse_uid in self.shell.evse_uids:
            self.find(evse_uid)
        self.shell.effects.clear()

    # ---- drivers and their cards

    def tap(self, card: str, reader: str = "front") -> None:
        """Hold a card to a reader and take it away."""
        self.lay(card, reader)
        self.lift(reader)

    def lay(self, card: str, reader: str = "front", *, lying: bool = False) -> None:
        """Lay a card on a reader, or let a reader see it again."""
        token = self.cards.get(card, token_of(card))
        self.present(uid_of(card), token, reader, lying=lying)

    def present(
        self,
        uid: Uid,
        token: Token | None = None,
        reader: str = "front",
        technology: Technology = Technology.ISO14443,
        *,
        lying: bool = False,
    ) -> None:
        """Let a reader read any number at all."""
        self._taps += 1
        tapped = CardTapped(
            tap_id=f"T{self._taps}",
            reader=reader,
            slot="0",
            uid=uid,
            technology=technology,
            token=token,
            fresh=self.rows_are_fresh,
            lying=lying,
            lookup_failed=self.lookup_fails,
        )
        self.shell.send(tapped)
        self._let_chargers_work()

    def lift(self, reader: str = "front") -> None:
        """Take the card away."""
        self.shell.send(CardLifted(reader, "0"))

    def charge(self, card: str, evse_uid: str = "E1", reader: str = "front") -> None:
        """Plug in, tap, and let the lockout pass."""
        self.plug(evse_uid)
        self.tap(card, reader)
        self.pass_time(LOCKOUT_S)

    # ---- vehicles and chargers

    def plug(self, evse_uid: str = "E1") -> None:
        """Plug a vehicle in."""
        self.shell.boxes[evse_uid].connected = True
        self.shell.send(VehicleConnected(evse_uid))
        self._let_chargers_work()

    def unplug(self, evse_uid: str = "E1") -> None:
        """Unplug the vehicle."""
        self.shell.boxes[evse_uid].connected = False
        self.shell.send(VehicleDisconnected(evse_uid))
        self._let_chargers_work()

    def fault(self, evse_uid: str = "E1") -> None:
        """Make a charger report a fault."""
        self.shell.boxes[evse_uid].fault = "GFCI"
        self.shell.send(ChargerFaulted(evse_uid, "GFCI"))
        self._let_chargers_work()

    def clear(self, evse_uid: str = "E1") -> None:
        """Make the fault go away."""
        self.shell.boxes[evse_uid].fault = None
        self.shell.send(ChargerCleared(evse_uid))
        self._let_chargers_work()

    def meter(self, wh: int, evse_uid: str = "E1") -> None:
        """Let the register show this."""
        self.shell.boxes[evse_uid].wh = wh
        self.shell.send(MeterRead(evse_uid, wh))
        self._let_chargers_work()

    def obey(self, evse_uid: str = "E1") -> None:
        """Let a slow charger carry out its oldest command."""
        self.shell.obey(evse_uid)
        self._let_chargers_work()

    def disobey(self, evse_uid: str = "E1") -> None:
        """Let a charger fail at its oldest command."""
        self.shell.disobey(evse_uid)
        self._let_chargers_work()

    def lose(self, evse_uid: str = "E1") -> None:
        """Cut the link to a charger."""
        self.shell.lose(evse_uid)

    def find(self, evse_uid: str = "E1") -> None:
        """Meet a charger as it is."""
        self.shell.find(evse_uid)
        self._let_chargers_work()

    def restart(self, dark_s: float = 60) -> None:
        """Cut the power for a while; chargers keep their state unless a test says."""
        self.shell.restart(timedelta(seconds=dark_s))
        for evse_uid in self.shell.evse_uids:
            self.find(evse_uid)

    def _let_chargers_work(self) -> None:
        for evse_uid, box in self.shell.boxes.items():
            while self.obedient and box.commands:
                self.shell.obey(evse_uid)

    # ---- backends, operators and time

    def answer(
        self, card: str, verdict: Verdict = Verdict.ALLOWED, *evse_uids: str
    ) -> None:
        """Answer the latest question about a card."""
        self.reply(card, self._answer(card, verdict, evse_uids))

    def no_answer(self, card: str) -> None:
        """Fail to answer the latest question about a card."""
        self.reply(card, NoAnswer("connection refused"))

    def misconfigured(self, card: str) -> None:
        """Turn the station away instead of answering."""
        self.reply(card, Misconfigured("HTTP 401"))

    def reply(self, card: str, reply: Reply) -> None:
        """Reply anything to the latest question about a card."""
        asked = [ask for ask in self.asked if ask.uid == uid_of(card)][-1]
        self._send_reply(asked, asked.tap_id, reply)

    def verify(
        self, card: str, verdict: Verdict = Verdict.ALLOWED, *evse_uids: str
    ) -> None:
        """Answer the latest question in the background about a card."""
        self.reply_behind(card, self._answer(card, verdict, evse_uids))

    def reply_behind(self, card: str, reply: Reply) -> None:
        """Reply anything to the latest question in the background about a card."""
        asked = [ask for ask in self.verified if ask.uid == uid_of(card)][-1]
        self._send_reply(asked, None, reply)

    def _answer(
        self, card: str, verdict: Verdict, evse_uids: tuple[str, ...]
    ) -> Answer:
        limit = frozenset(uid.casefold() for uid in evse_uids)
        token = self.cards.get(card) or token_of(card)
        return Answer(upstream="cpo", verdict=verdict, token=token, evse_uids=limit)

    def _send_reply(
        self, asked: AskUpstream | Revalidate, tap_id: str | None, reply: Reply
    ) -> None:
        self.shell.send(Answered(tap_id, asked.uid, asked.evse_uids, reply))
        self._let_chargers_work()

    def upstream_up(self) -> None:
        """Let a silent backend be heard again."""
        self.shell.send(UpstreamUp("cpo"))

    def withdraw(
        self,
        reason: StopReason = StopReason.OPERATOR,
        **which: Any,  # noqa: ANN401 - fields of Withdraw
    ) -> tuple[int, int, int]:
        """Take back; say how many waiting cards, grants and sessions were found."""
        self._requests += 1
        request_id = f"W{self._requests}"
        self.shell.send(Withdraw(request_id=request_id, reason=reason, **which))
        self._let_chargers_work()
        return self.withdrawn[-1]

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.shell.pass_time(timedelta(seconds=seconds))
        self._let_chargers_work()


def charging() -> Story:
    """Tell of a card A that charges at E1 since the register showed 1000 Wh."""
    story = Story()
    story.meter(1000)
    story.charge("A")
    story.shell.effects.clear()
    return story

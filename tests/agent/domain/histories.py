"""Random histories: what drivers, backends and operators may do, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

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
from agent.domain.uid import Technology, Uid
from tests.agent.domain.world import (
    GROUPS,
    World,
    cards,
    evses,
    kinds,
    readers,
    replies,
    seldom,
)
from tests.fakes.cards import token_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.domain.tokens import (
        Reply,
        Token,
        WhitelistType,
    )


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
        fresh: bool = True,
        lying: bool = False,
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
            fresh=fresh,
            lying=lying,
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
        self._answer(self._questions()[-back:][0], reply)

    def _answer(
        self, asked: AskUpstream | Revalidate, reply: Callable[[str], Reply]
    ) -> None:
        tap_id = asked.tap_id if isinstance(asked, AskUpstream) else None
        card = next((one for one in GROUPS if uid_of(one) == asked.uid), "?")
        self.shell.send(Answered(tap_id, asked.uid, asked.evse_uids, reply(card)))
        self.obey_unless_slow()

    @precondition(lambda self: self._questions())
    @rule(reply=replies())
    def verify(self, reply: Callable[[str], Reply]) -> None:
        """A late reply about a card that charges, or has charged, without one."""
        running = [
            evse.session.card
            for evse in self.shell.station.evses.values()
            if evse.session is not None
        ]
        asked = [one for one in self._questions() if one.uid.value in running]
        if asked:
            self._answer(asked[0], reply)

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

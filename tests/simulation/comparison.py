"""What the backends finally say, against what really happened.

Everything is compared with the world's own books. What may differ is stated here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final

from agent.domain.uid import Uid
from tests.simulation.books import find_wrong_books
from tests.simulation.clock import wire_seconds
from tests.simulation.hardware import METER_EVERY_S
from tests.simulation.outcomes import find_wrong_outcomes
from tests.simulation.rights import find_wrong
from tests.simulation.sockets import Charge, Off

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.cards import Card
    from tests.simulation.readers import Tap
    from tests.simulation.sockets import Socket
    from tests.simulation.upstream import Told
    from tests.simulation.world import World

#: From a cause at the charger, or a decision, to its effect at the other side: slow
#: commands, one that hangs for 5 s, slow disks.
REACTION_S: Final = 15.0
#: A card may be used so long after its tap: connection_timeout, and the reaction.
GRANT_S: Final = 60.0 + REACTION_S
#: Clocks count microseconds.
_SAME_S: Final = 0.001
#: The wire knows whole seconds, cut off.
_WIRE_S: Final = 1.5
#: A reading waits for the disk like everything else.
_HANDLED_WITHIN_S: Final = 5.0
#: The rules' meter_every; what was read since then may be lost with the power.
_DURABLE_EVERY_S: Final = 180.0


@dataclass(eq=False)
class Account:
    """One session as it was told, and what flowed for it."""

    told: Told
    socket: Socket
    start: float
    card: Card | None
    charges: list[Charge] = field(default_factory=list)


def find_differences(world: World) -> Iterator[str]:
    """Say everything in which the agent's words and deeds are not the truth."""
    yield from Comparison(world).problems
    yield from find_wrong_outcomes(world)
    yield from find_wrong_books(world)


class Comparison:
    """Finds every difference; `problems` has a line for each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.problems: list[str] = []
        #: Sessions whose card was the only one that could be meant.
        self.unambiguous = 0
        self.accounts = self._open_accounts()
        self._assign()
        for account in self.accounts:
            told = account.told
            where = f"at {account.socket.uid} at {account.start:.1f}"
            for problem in self._check(account):
                self.problems.append(f"{told.session.id} {where}: {problem}")

    # ---- which energy flowed for whom -----------------------------------------------

    def _open_accounts(self) -> list[Account]:
        world = self._world
        accounts = []
        for backend in world.backends.values():
            for told in backend.sessions.values():
                uid = Uid.parse(told.body["cdr_token"]["uid"]).value
                accounts.append(
                    Account(
                        told,
                        world.sockets[told.body["evse_uid"]],
                        world.clock.truth_of(told.session.started_at),
                        world.cards_by_uid.get(uid),
                    )
                )
        return sorted(accounts, key=lambda account: account.start)

    def _assign(self) -> None:
        for socket in self._world.sockets.values():
            here = [one for one in self.accounts if one.socket is socket]
            for charge in socket.charges:
                owners = [one for one in here if one.start <= charge.on_at]
                if not owners:
                    self.problems.append(f"energy for nobody: {charge}")
                    continue
                owners[-1].charges.append(charge)
            if socket.can_flow:
                self.problems.append(f"{socket.uid} is still on")

    # ---- one session ----------------------------------------------------------------

    def _check(self, account: Account) -> Iterator[str]:
        told = account.told
        yield from told.problems
        if told.statuses not in (["ACTIVE", "COMPLETED"], ["ACTIVE", "INVALID"]):
            yield f"was told as {told.statuses}"
            return
        yield from self._check_start(account)
        yield from self._check_card(account)
        if account.charges:
            yield from self._check_flow(account)
            yield from self._check_end(account)
            yield from self._check_energy(account)
        elif not self._is_excused(account):
            yield "no energy could flow, and nothing had gone wrong"
        elif told.session.energy_wh:
            yield "energy that never flowed"

    def _check_start(self, account: Account) -> Iterator[str]:
        told, clock = account.told, self._world.clock
        at = wire_seconds(told.body["start_date_time"])
        moment, error_s = told.session.started_at, clock.worst_error_s(0, account.start)
        if clock.is_known(moment, told.last_at):
            error_s = clock.worst_error_s(account.start - 1, account.start + 1)
            if abs(at - account.start) > _WIRE_S + error_s:
                yield f"began {at - account.start:+.1f} s from the truth"
            return
        known = clock.last_known_before(moment)
        if not known - error_s <= at <= account.start + error_s + 1:
            yield f"began {at - account.start:+.1f} s from the truth, without a clock"

    def _check_card(self, account: Account) -> Iterator[str]:
        world, card = self._world, account.card
        if card is None:
            yield "a card that nobody has"
            return
        readers = {reader.name for reader in world.readers_of(account.socket)}
        taps = world.heard.taps
        first = bisect_left(taps, account.start - GRANT_S, key=_moment_of)
        last = bisect_right(taps, account.start + _SAME_S, key=_moment_of)
        tapped = {
            tap.card
            for tap in taps[first:last]
            if tap.reader in readers and tap.outcomes[-1:] != ["refused"]
        }
        self.unambiguous += tapped == {card}
        if card not in tapped:
            yield f"{card.kind} card {card.number} was not there"
        if wrong := find_wrong(world, card, account.told.session, account.start):
            yield f"{card.kind} card {card.number} must not: {wrong}"

    def _check_flow(self, account: Account) -> Iterator[str]:
        first, socket = account.charges[0], account.socket
        late_s = first.on_at - account.start
        if late_s > REACTION_S and not socket.is_dark(account.start, first.on_at):
            yield f"energy came {late_s:.1f} s late"
        for before, after in zip(account.charges, account.charges[1:], strict=False):
            if (after.off_at or inf) - (before.off_at or 0.0) < REACTION_S:
                continue  # The contactor was slow, and the next plug was quick.
            if before.visit != after.visit:
                yield "another car was charged as well"
            seen = before.off_at or 0.0
            resumed = socket.is_dark(seen - REACTION_S, after.on_at)
            if before.off is Off.COMMAND or not resumed:
                yield f"energy came again after {before.off}"

    def _check_end(self, account: Account) -> Iterator[str]:
        told, clock, socket = account.told, self._world.clock, account.socket
        session, last = told.session, account.charges[-1]
        assert session.ended_at is not None
        assert last.off_at is not None
        end, off_at = clock.truth_of(session.ended_at), last.off_at
        stopped = self._world.heard.stopped.get(session.id, [])
        if stopped and off_at > stopped[-1] + REACTION_S:
            yield f"energy flowed on for {off_at - stopped[-1]:.1f} s"
        latest = socket.seen_by(off_at + REACTION_S)
        earliest = off_at - 0.5
        if session.end_estimated:
            earliest = max(account.start, _sure_until(socket, off_at))
        if not earliest - 0.5 <= end <= latest + 0.5:
            yield f"ended {end - off_at:+.1f} s from the truth, {session.stop_reason}"
        at = wire_seconds(told.body["end_date_time"])
        error_s = clock.worst_error_s(account.start, end) + _WIRE_S
        if not clock.is_known(session.ended_at, told.last_at):
            known = clock.last_known_before(session.ended_at)
            if not known - error_s <= at <= end + error_s:
                yield f"ended {at - end:+.1f} s from the truth, without a clock"
        elif abs(at - end) > error_s:
            yield f"its end is dated {at - end:+.1f} s from the truth"
        began = session.started_at
        if began.synchronized and began.boot_id == session.ended_at.boot_id:
            # Whatever is done to the wall clock meanwhile, its length is right.
            too_long_s = at - wire_seconds(told.body["start_date_time"])
            too_long_s -= end - account.start
            if abs(too_long_s) > _WIRE_S:
                yield f"is {too_long_s:+.1f} s too long"

    def _check_energy(self, account: Account) -> Iterator[str]:
        session, socket = account.told.session, account.socket
        first, last = account.charges[0], account.charges[-1]
        flowed_wh = last.off_wh - first.on_wh
        told_wh = round(account.told.body["kwh"] * 1000)
        if told_wh != session.energy_wh:
            yield f"{told_wh} Wh told of {session.energy_wh}"
        if session.meter_suspect:
            yield "its meter was suspected"
        if not session.end_estimated:
            if told_wh != flowed_wh:
                yield f"{told_wh} Wh instead of {flowed_wh}, {session.stop_reason}"
            return
        assert last.off_at is not None
        sure_at = max(first.on_at, _sure_until(socket, last.off_at))
        sure_wh = socket.wh_at(sure_at) - first.on_wh
        if not sure_wh - 1 <= told_wh <= flowed_wh:
            yield f"{told_wh} Wh, between {sure_wh:.0f} and {flowed_wh} expected"
        if session.meter_at is not None:
            read_at = self._world.clock.truth_of(session.meter_at)
            least_wh = socket.wh_at(read_at - _HANDLED_WITHIN_S) - first.on_wh
            most_wh = socket.wh_at(read_at) - first.on_wh
            if not least_wh - 1 <= told_wh <= most_wh + 1:
                yield f"{told_wh} Wh where {most_wh:.0f} had been read"

    def _is_excused(self, account: Account) -> bool:
        """Whether a session may have come to nothing."""
        socket, start = account.socket, account.start
        causes = [*socket.vain, *socket.left_at, *socket.failed_at]
        hindered = any(start - REACTION_S <= at <= start + REACTION_S for at in causes)
        return hindered or socket.is_dark(start, start + REACTION_S)


def _moment_of(tap: Tap) -> float:
    return tap.at


def _sure_until(socket: Socket, off_at: float) -> float:
    """Say up to when a meter must have been read durably before it went unseen.

    The readings of the last minutes may be lost, and none comes while a car pauses.
    """
    lost_s = METER_EVERY_S + _DURABLE_EVERY_S + REACTION_S
    return socket.moved_until(socket.unseen_since(off_at) - lost_s)

"""The comparison itself: it finds every kind of difference, however small."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from msgspec.structs import replace

from agent.domain.instant import ocpi_datetime
from agent.domain.outcomes import AuthMethod
from tests.simulation.cards import Kind
from tests.simulation.comparison import find_differences
from tests.simulation.play import simulate
from tests.simulation.sockets import Charge, Off
from tests.simulation.upstream import Told
from tests.simulation.world import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World

PLAN: Final = Plan(seed=1, days=0.5)


def _ended(world: World) -> Told:
    """Choose a session that was booked by the list and has delivered something."""
    return next(
        told
        for told in world.backends["cpo"].sessions.values()
        if told.session.energy_wh > 1000
        and told.session.auth_method is AuthMethod.WHITELIST
    )


def _rewrite(told: Told, **body: Any) -> None:  # noqa: ANN401 - any JSON
    told.wire = msgspec.json.encode(told.body | body)


def _later(text: str, by_s: float) -> str:
    return ocpi_datetime(datetime.fromisoformat(text) + timedelta(seconds=by_s))


# ---- one by one, what could be wrong -----------------------------------------------


def _say_a_watt_hour_more(world: World) -> None:
    told = _ended(world)
    _rewrite(told, kwh=told.body["kwh"] + 0.001)


def _say_another_card(world: World) -> None:
    told = _ended(world)
    token = told.body["cdr_token"]
    other = next(card for card in world.cards if card.kind is Kind.VISITOR)
    _rewrite(told, cdr_token=token | {"uid": other.key})


def _say_another_socket(world: World) -> None:
    told = _ended(world)
    _rewrite(told, evse_uid="E8" if told.body["evse_uid"] != "E8" else "E1")


def _say_an_earlier_start(world: World) -> None:
    told = _ended(world)
    _rewrite(told, start_date_time=_later(told.body["start_date_time"], -20))


def _say_a_later_end(world: World) -> None:
    told = _ended(world)
    _rewrite(told, end_date_time=_later(told.body["end_date_time"], 20))


def _say_no_end(world: World) -> None:
    _ended(world).statuses = ["ACTIVE"]


def _say_that_somebody_was_asked(world: World) -> None:
    told = _ended(world)
    asked = replace(told.session, auth_method=AuthMethod.AUTH_REQUEST)
    told.encoded = msgspec.json.encode(asked)


def _forget_a_session(world: World) -> None:
    del world.backends["cpo"].sessions[_ended(world).session.id]


def _say_one_twice(world: World) -> None:
    told = _ended(world)
    again = Told(told.encoded, told.wire, told.last_at, list(told.statuses))
    world.backends["cpo"].sessions["again"] = again


def _let_a_watt_hour_more_flow(world: World) -> None:
    world.sockets[_ended(world).body["evse_uid"]].charges[-1].off_wh += 1


def _let_energy_flow_for_nobody(world: World) -> None:
    charge = Charge("E1", 0, 1.0, 0, off_at=60.0, off=Off.COMMAND)
    world.sockets["E1"].charges.insert(0, charge)


def _let_energy_flow_again(world: World) -> None:
    charges = world.sockets["E1"].charges
    again = copy.copy(charges[-1])
    again.on_at, again.on_wh = world.now() - 100, again.off_wh
    again.off_at = again.on_at + 60
    charges.append(again)


def _leave_a_tap_unanswered(world: World) -> None:
    world.heard.taps[3].outcomes.clear()


def _answer_a_tap_twice(world: World) -> None:
    world.heard.taps[3].outcomes.append("refused")


def _end_a_grant_twice(world: World) -> None:
    next(iter(world.heard.grants.values())).append("timed_out")


TAMPERINGS: Final[list[Callable[[World], None]]] = [
    _say_a_watt_hour_more,
    _say_another_card,
    _say_another_socket,
    _say_an_earlier_start,
    _say_a_later_end,
    _say_no_end,
    _say_that_somebody_was_asked,
    _forget_a_session,
    _say_one_twice,
    _let_a_watt_hour_more_flow,
    _let_energy_flow_for_nobody,
    _let_energy_flow_again,
    _leave_a_tap_unanswered,
    _answer_a_tap_twice,
    _end_a_grant_twice,
]


class _Books:
    """Everything that is compared, as it was."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept = self._copy(self._things())

    def restore(self) -> None:
        """Make it so again."""
        told, world = self._copy(self._kept), self._world
        world.heard = told["heard"]
        for name, backend in world.backends.items():
            backend.sessions = told[name]
        for uid, socket in world.sockets.items():
            socket.charges = told[uid]

    def _things(self) -> dict[str, Any]:
        world = self._world
        backends = {name: one.sessions for name, one in world.backends.items()}
        sockets = {uid: one.charges for uid, one in world.sockets.items()}
        return {"heard": world.heard, **backends, **sockets}

    def _copy(self, things: dict[str, Any]) -> dict[str, Any]:
        # There is one of each card, whatever is written about it.
        return copy.deepcopy(things, {id(card): card for card in self._world.cards})


@pytest.mark.timeout(60)
def test_every_difference_is_found() -> None:
    """Half a day without a difference, and then one is made."""

    def judge(world: World) -> None:
        books = _Books(world)
        for tamper in TAMPERINGS:
            assert list(find_differences(world)) == []
            tamper(world)
            assert list(find_differences(world)) != [], tamper.__name__
            books.restore()

    simulate(PLAN, judge)

"""The guided tour: what is done, and what must come of it, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.demo.cards import ADA, BO, CLEO, DORA, EMIL, FINN, PHONE, STRANGER
from agent.demo.checks import (
    asked,
    ends,
    finds_no_fault,
    metered,
    never_asked,
    not_asked,
    refuses,
    reported,
    shows,
    tells,
    waiting,
)
from agent.demo.guide import Step
from agent.demo.station import EVSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.demo.cards import Card
    from agent.demo.stage import Stage

E1, E2 = EVSES
HOUR_WH: Final = 7400


def _tap(card: Card) -> Callable[[Stage], None]:
    return lambda stage: stage.station.tap(card.uid)


def _plug(evse_uid: str) -> Callable[[Stage], None]:
    return lambda stage: stage.station.tell_charger(evse_uid, "plug")


def _unplug(evse_uid: str) -> Callable[[Stage], None]:
    return lambda stage: stage.station.tell_charger(evse_uid, "unplug")


def _charge_for_an_hour(stage: Stage) -> None:
    """Draw, and move the meter on as far as it would run in an hour."""
    register_wh = stage.station.metered(E1)[-1]["wh"]
    stage.station.tell_charger(E1, f"draw {HOUR_WH}")
    stage.station.tell_charger(E1, f"meter {register_wh + HOUR_WH}")


def _fail_power(stage: Stage) -> None:
    stage.station.fail_power()


def _cut(stage: Stage) -> None:
    stage.server.cut()


def _restore(stage: Stage) -> None:
    """Bring the backend back; a synchronisation shows the agent that it is there."""
    stage.server.restore()
    stage.station.ask("sync")


ALWAYS: Final = (
    Step(
        f"{ADA.title} taps",
        _tap(ADA),
        tells(ADA, "granted", decided_by="whitelist"),
        not_asked(),
    ),
    Step(
        "Ada plugs in at the first EVSE",
        _plug(E1),
        tells(ADA, "started", decided_by="whitelist", evse_uid=E1),
        reported(ADA, "WHITELIST", "ACTIVE"),
    ),
    Step(
        "an hour passes at 7.4 kW",
        _charge_for_an_hour,
        shows(E1, vehicle="charging", at_least_wh=HOUR_WH),
    ),
    Step(
        "the power fails in the middle of it",
        _fail_power,
        shows(E1, vehicle="charging", at_least_wh=HOUR_WH),
    ),
)
ALLOWED: Final = (
    Step(
        "a car is plugged in at the second EVSE",
        _plug(E2),
        shows(E2, vehicle="connected"),
    ),
    Step(
        f"{BO.title} taps",
        _tap(BO),
        tells(BO, "started", decided_by="whitelist", evse_uid=E2),
        asked(BO, "ALLOWED"),
        reported(BO, "WHITELIST", "ACTIVE"),
    ),
    Step(
        "Bo drives away without a tap",
        _unplug(E2),
        ends("ev_disconnected"),
        reported(BO, "WHITELIST", "ACTIVE", "COMPLETED"),
    ),
)
STOP_BY_TAP: Final = (
    Step(
        "Ada taps again",
        _tap(ADA),
        tells(ADA, "stopped", reason="local", evse_uid=E1),
        reported(ADA, "WHITELIST", "ACTIVE", "COMPLETED"),
        metered(E1),
        never_asked(ADA),
    ),
    Step("Ada drives away", _unplug(E1), shows(E1, vehicle="absent")),
)
ALLOWED_OFFLINE: Final = (
    Step(
        f"{CLEO.title} taps",
        _tap(CLEO),
        tells(CLEO, "granted", decided_by="realtime"),
        asked(CLEO, "ALLOWED"),
    ),
    Step(
        "Cleo plugs in",
        _plug(E1),
        tells(CLEO, "started", decided_by="realtime", evse_uid=E1),
        reported(CLEO, "AUTH_REQUEST", "ACTIVE"),
    ),
    Step(
        "Cleo drives away",
        _unplug(E1),
        ends("ev_disconnected"),
        reported(CLEO, "AUTH_REQUEST", "ACTIVE", "COMPLETED"),
    ),
)
NEVER: Final = (
    Step(
        f"{DORA.title} taps",
        _tap(DORA),
        tells(DORA, "granted", decided_by="realtime"),
        asked(DORA, "ALLOWED"),
    ),
    Step(
        "Dora changes her mind and taps again",
        _tap(DORA),
        tells(DORA, "withdrawn", decided_by="local"),
        not_asked(),
    ),
)
REFUSED: Final = (
    Step(
        f"{EMIL.title} taps",
        _tap(EMIL),
        tells(EMIL, "refused", reason="no_credit", decided_by="realtime"),
        asked(EMIL, "NO_CREDIT"),
    ),
    Step(
        "a finder of Finn's lost card taps",
        _tap(FINN),
        tells(FINN, "refused", reason="blocked", decided_by="realtime"),
        asked(FINN, "BLOCKED"),
    ),
    Step(
        "a stranger taps",
        _tap(STRANGER),
        tells(STRANGER, "refused", reason="unknown_token", decided_by="realtime"),
        asked(STRANGER, "UNKNOWN"),
    ),
    Step(
        "a phone with a random number taps",
        _tap(PHONE),
        tells(PHONE, "refused", reason="random_uid", decided_by="local"),
        not_asked(),
    ),
)
OFFLINE: Final = (
    Step("the backend is cut off", _cut, refuses()),
    Step(
        f"{DORA.title} taps",
        _tap(DORA),
        tells(
            DORA,
            "refused",
            reason="offline_not_permitted",
            decided_by="offline_policy",
        ),
    ),
    Step(
        "the stranger taps",
        _tap(STRANGER),
        tells(STRANGER, "refused", reason="unknown_token", decided_by="offline_policy"),
    ),
    Step(
        f"{CLEO.title} taps",
        _tap(CLEO),
        tells(CLEO, "granted", decided_by="whitelist"),
    ),
    Step(
        "Cleo plugs in",
        _plug(E1),
        tells(CLEO, "started", decided_by="whitelist", evse_uid=E1),
        waiting(1),
    ),
    Step(
        "an hour passes at 7.4 kW",
        _charge_for_an_hour,
        shows(E1, vehicle="charging", at_least_wh=HOUR_WH),
    ),
    Step(
        "Cleo taps again",
        _tap(CLEO),
        tells(CLEO, "stopped", reason="local", evse_uid=E1),
        waiting(2),
    ),
)
BACK: Final = (
    Step(
        "the backend is back",
        _restore,
        reported(CLEO, "WHITELIST", "ACTIVE", "COMPLETED"),
        metered(E1),
        waiting(0),
        finds_no_fault(),
    ),
    Step("Cleo drives away", _unplug(E1), shows(E1, vehicle="absent")),
)
TOUR: Final = (
    *ALWAYS,
    *ALLOWED,
    *STOP_BY_TAP,
    *ALLOWED_OFFLINE,
    *NEVER,
    *REFUSED,
    *OFFLINE,
    *BACK,
)

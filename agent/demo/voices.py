"""What agent and backend say when something happens, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from agent.demo.cards import CARDS
from agent.demo.memory import Objection, Question
from agent.demo.objects import Session

if TYPE_CHECKING:
    from agent.demo.memory import Heard


def describe_event(event: dict[str, Any]) -> str | None:
    """Put an event of the agent into words; None for one that says nothing yet."""
    if event["event"] == "tap.received":
        return None
    who = f"{event['card']}: " if "card" in event else ""
    details = [
        event.get("outcome") or event["event"].replace(".", " "),
        event.get("reason"),
        event.get("evse_uid"),
        f"decided by {event['decided_by']}" if "decided_by" in event else None,
        _describe_energy(event["energy_wh"]) if "energy_wh" in event else None,
        f"“{event['info']}”" if "info" in event else None,
        f"{event['latency_ms']} ms" if event.get("latency_ms") else None,
    ]
    return who + ", ".join(detail for detail in details if detail)


def describe_heard(heard: Heard) -> str:
    """Put something that reached the backend into words."""
    match heard:
        case Question():
            return f"{_name(heard.uid)}: asked, says {heard.answer}"
        case Session():
            energy = _describe_energy(heard.kwh * 1000)
            return f"{_name(heard.cdr_token.uid)}: session {heard.status}, {energy}"
        case Objection():
            return f"objects to {heard.request}: {heard.rule}"
        case _:
            assert_never(heard)


def _describe_energy(wh: float) -> str:
    return f"{wh / 1000:.3f} kWh"


def _name(uid: str) -> str:
    holders = (card.name for card in CARDS if card.uid.casefold() == uid.casefold())
    return next(holders, "a card")

"""Events on their way to people and programs: as log lines, and to whoever listens."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.domain.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.domain.instant import Instant
    from agent.domain.messages import Event
    from agent.domain.uid import Uid

_LOGGER = logging.getLogger(__name__)

_RECENT = 20
_QUEUE_LENGTH = 256
#: What every log line has by itself, or what would only make it long.
_NOT_LOGGED = ("event", "at", "tapped_at", "decided_at")
_BAD_OUTCOMES = (Outcome.REFUSED, Outcome.CHARGER_FAILED)


class EventLog:
    """Publishes events with a card's fingerprint in place of its number."""

    def __init__(self, fingerprint: Callable[[Uid], str]) -> None:
        self._fingerprint = fingerprint
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        #: The last outcomes, newest last, for `status`.
        self.recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)

    def publish(self, event: Event) -> None:
        """Log an event and pass it to every listener."""
        facts = self.describe(event)
        _log(event, facts)
        if event.outcome is not None:
            self.recent.append(facts)
        for listener in self._listeners:
            if listener.full():
                # Whoever does not read misses the oldest, and nobody waits for it.
                listener.get_nowait()
            listener.put_nowait(facts)

    @contextmanager
    def listen(self) -> Iterator[asyncio.Queue[dict[str, Any]]]:
        """Hear every event from now on, until the context is left."""
        listener: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_QUEUE_LENGTH)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def describe(self, event: Event) -> dict[str, Any]:
        """Flatten an event for JSON: what is absent is left out, uids never appear."""
        facts: dict[str, Any] = {
            "event": event.kind.value,
            "at": _precisely(event.at),
            "tap_id": event.tap_id,
            "grant_id": event.grant_id,
            "outcome": event.outcome,
            "reason": event.reason,
            "reader": event.reader,
            "evse_uid": event.evse_uid,
            "session_id": event.session_id,
            "card": self._fingerprint(event.uid)
            if event.uid and event.uid.value
            else None,
            "decided_by": event.decided_by,
            "auth_method": event.auth_method,
            "energy_wh": event.energy_wh,
            "info": event.info,
        }
        if event.tapped_at is not None and event.decided_at is not None:
            facts["tapped_at"] = _precisely(event.tapped_at)
            facts["decided_at"] = _precisely(event.decided_at)
            latency = event.decided_at.since(event.tapped_at)
            facts["latency_ms"] = round(latency.total_seconds() * 1000, 1)
        if event.flagged:
            facts["flagged"] = True
        return {key: value for key, value in facts.items() if value is not None}


def _precisely(moment: Instant) -> str:
    """Write a moment with milliseconds, which is what a driver notices."""
    text = moment.wall.isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _log(event: Event, facts: dict[str, Any]) -> None:
    level = logging.WARNING if event.outcome in _BAD_OUTCOMES else logging.INFO
    if not _LOGGER.isEnabledFor(level):
        return
    details = " ".join(
        f"{key}={value}" for key, value in facts.items() if key not in _NOT_LOGGED
    )
    # The extra fields become fields of the systemd journal.
    extra = {
        "EVSE_UID": facts.get("evse_uid"),
        "SESSION_ID": facts.get("session_id"),
        "DECISION": facts.get("outcome"),
        "REASON": facts.get("reason"),
    }
    _LOGGER.log(level, "%s %s", event.kind.value, details, extra=extra)

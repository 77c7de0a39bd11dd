"""Backend and station together, set up for one run of the demo and taken down."""

from __future__ import annotations

import secrets
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.demo.backend import make_app
from agent.demo.cards import CARDS, make_tokens
from agent.demo.memory import Memory
from agent.demo.server import Server
from agent.demo.station import LOCATION, Station

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.demo.memory import Heard

# The control socket lies below; a path to one has at most 107 bytes (unix(7)).
_LONGEST_DIRECTORY: Final = 60


@dataclass(frozen=True, slots=True)
class Stage:
    """A station, its backend, and the backend's server."""

    station: Station
    memory: Memory
    server: Server


@contextmanager
def set_stage(
    hear_agent: Callable[[dict[str, Any] | None], None],
    hear_backend: Callable[[Heard], None],
) -> Iterator[Stage]:
    """Start everything, and leave nothing behind.

    The callbacks are told of every event, on threads of their own; `hear_agent` of
    None when the agent has ended.
    """
    answers = {card.uid: card.allowed for card in CARDS if card.allowed}
    memory = Memory(make_tokens(), answers, [LOCATION], hear_backend)
    credentials_token = secrets.token_urlsafe()
    with (
        tempfile.TemporaryDirectory(prefix="rfid-", dir=_short_directory()) as path,
        Server(make_app(memory, credentials_token)) as server,
        Station(
            Path(path), server.versions_url, credentials_token, hear_agent
        ) as station,
    ):
        yield Stage(station, memory, server)


def _short_directory() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _LONGEST_DIRECTORY else "/tmp"  # noqa: S108 - a private directory is made in it

"""What the station at work needs of the parts around it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.domain.messages import DisableEnergy, EnableEnergy, Record
    from agent.domain.tokens import Reply, Token
    from agent.domain.uid import Uid


class Recorder(Protocol):
    """What the runner needs of the journal."""

    async def record(self, records: Sequence[tuple[Record, str]]) -> None:
        """Make several changes durable at once."""


class Room(Protocol):
    """What the runner needs to know of the disk."""

    def hold(self) -> bool:
        """Whether there is room for something new, beside what must be ended."""

    def release(self) -> bool:
        """Give up the room that is held for ends; say whether there was any."""


class ChargerCommands(Protocol):
    """What the runner needs of a charger."""

    def command(self, effect: EnableEnergy | DisableEnergy) -> None:
        """Have the charger told."""


class Ask(Protocol):
    """What the runner needs of the authorizer."""

    async def __call__(  # noqa: PLR0913 - a question, and how long it is worth asking
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        *,
        within: timedelta,
        late: timedelta = timedelta(),
        background: bool = False,
    ) -> Reply:
        """Get a reply within a time, or a late one some time after that."""

"""The command driver's table of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from msgspec import Meta

Command = Annotated[
    list[Annotated[str, Meta(min_length=1)]],
    Meta(
        min_length=1,
        description='a program and its arguments, like ["/usr/local/bin/evse", "1"]',
    ),
]
Amps = Annotated[
    int, Meta(ge=1, le=1000, description="a whole number of amps from 1 to 1000")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandConfig:
    """`command`: run as it is, without a shell; not resolved against any directory.

    `comm_timeout`: without an answer for so long the program is ended and started
    anew; it is asked three times within it. `answer_within`: for one request; the
    station gives a command 5 s. `limit_amps` is handed to the program.
    """

    command: Command
    comm_timeout: timedelta = timedelta(seconds=10)
    answer_within: timedelta = timedelta(seconds=3)
    limit_amps: Amps | None = None

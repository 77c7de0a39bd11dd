"""Asking the running daemon, over its local socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.control import PROMPT, SOCKET
from agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


#: A busy journal may take some seconds.
PROMPT_WITHIN_S: Final = 15.0
_HUNG_UP: Final = "the agent hung up before it answered; see: journalctl -u rfid-agent"


class UnreachableError(AgentError):
    """Nobody answers; the message says how to change that."""


class NotRunningError(UnreachableError):
    """No daemon is at work here, so that its files are free to be worked on."""


class BackendUnreachableError(AgentError):
    """The daemon answered that a backend did not."""


class RefusedError(AgentError):
    """The daemon answered, and the answer is an error."""


def ask(
    state_dir: Path,
    command: str,
    on_progress: Callable[[dict[str, Any]], None] = lambda _: None,
    **request: object,
) -> Any:  # noqa: ANN401 - whatever the command answers
    """Send one command and return its result; progress is passed on as it comes."""
    with _connect(state_dir / SOCKET) as connection:
        connection.settimeout(PROMPT_WITHIN_S if command in PROMPT else None)
        line = msgspec.json.encode({"command": command, **request}) + b"\n"
        for answer in _exchange(connection, line):
            if "progress" in answer:
                on_progress(answer["progress"])
            elif "error" not in answer:
                return answer["result"]
            elif answer.get("unreachable"):
                raise BackendUnreachableError(answer["error"])
            else:
                raise RefusedError(answer["error"])
    raise UnreachableError(_HUNG_UP)


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError as err:
        connection.close()
        if isinstance(err, PermissionError):
            raise UnreachableError(
                f"{path}: only root and the agent's own user may ask; try sudo"
            ) from err
        raise NotRunningError(
            f"no agent is running here ({path}); start it with: "
            "systemctl start rfid-agent"
        ) from err
    return connection


def _exchange(connection: socket.socket, line: bytes) -> Iterator[dict[str, Any]]:
    """Send a line and yield the answers to it, as long as there are any."""
    try:
        connection.sendall(line)
        with connection.makefile("rb") as answers:
            for answer in answers:
                yield msgspec.json.decode(answer)
    except TimeoutError as err:
        raise UnreachableError(
            f"the agent has not answered for {PROMPT_WITHIN_S:g} s; if it hangs, "
            "systemd restarts it within a minute, and says so: "
            "journalctl -u rfid-agent"
        ) from err
    except (OSError, msgspec.DecodeError) as err:  # It may die in mid-word.
        raise UnreachableError(_HUNG_UP) from err

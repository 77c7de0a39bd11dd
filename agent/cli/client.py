"""Asking the running daemon, over its local socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import msgspec

from agent.control import SOCKET
from agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class UnreachableError(AgentError):
    """Nobody answers; the message says how to change that."""


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
    path = state_dir / SOCKET
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except PermissionError as err:
            raise UnreachableError(
                f"{path}: only root and the agent's own user may ask; try sudo"
            ) from err
        except OSError as err:
            raise UnreachableError(
                f"no agent is running here ({path}); start it with: "
                "systemctl start rfid-agent"
            ) from err
        connection.sendall(msgspec.json.encode({"command": command, **request}) + b"\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                answer = msgspec.json.decode(line)
                if "progress" in answer:
                    on_progress(answer["progress"])
                elif "error" in answer:
                    if answer.get("unreachable"):
                        raise BackendUnreachableError(answer["error"])
                    raise RefusedError(answer["error"])
                else:
                    return answer["result"]
    raise UnreachableError("the agent hung up before it answered")

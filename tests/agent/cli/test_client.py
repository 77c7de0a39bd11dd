"""Asking a daemon that does not answer as it should."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.cli import client
from agent.cli.client import NotRunningError, UnreachableError, ask
from agent.control import SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def daemon_that_says(folder: Path, *lines: bytes, reads: bool = True) -> Iterator[None]:
    """Listen as the daemon does; hang up on the first who asks, after these lines."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / SOCKET))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                if reads:
                    connection.recv(1024)
                for line in lines:
                    connection.sendall(line)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def test_a_daemon_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes the connection for it, and nobody ever answers."""
    monkeypatch.setattr(client, "PROMPT_WITHIN_S", 0.01)
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(tmp_path / SOCKET))
        frozen.listen()
        with pytest.raises(UnreachableError, match="systemd restarts it") as raised:
            ask(tmp_path, "status")
    assert not isinstance(raised.value, NotRunningError)  # Its files are in use.


def test_where_nobody_listens_no_daemon_runs(tmp_path: Path) -> None:
    """There is no socket, or one that a killed daemon has left behind."""
    with pytest.raises(NotRunningError, match="systemctl start"):
        ask(tmp_path, "status")
    with socket.socket(socket.AF_UNIX) as former:
        former.bind(str(tmp_path / SOCKET))
    with pytest.raises(NotRunningError, match="systemctl start"):
        ask(tmp_path, "status")


def test_who_waits_for_a_card_is_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer may take as long as it likes."""
    monkeypatch.setattr(client, "PROMPT_WITHIN_S", 1e-9)
    with daemon_that_says(tmp_path, b'{"progress": {}}\n', b'{"result": "seen"}\n'):
        assert ask(tmp_path, "next-card") == "seen"


@pytest.mark.parametrize(
    "lines", [(), (b'{"progress": {}}\n',), (b'{"result": {"heal',)]
)
def test_a_daemon_that_dies_before_it_has_answered(
    tmp_path: Path, lines: tuple[bytes, ...]
) -> None:
    """It says nothing, too little, or half of it."""
    with (
        daemon_that_says(tmp_path, *lines),
        pytest.raises(UnreachableError, match="hung up"),
    ):
        ask(tmp_path, "status")


def test_a_daemon_that_dies_before_it_was_asked(tmp_path: Path) -> None:
    """The kernel resets the connection."""
    with (
        daemon_that_says(tmp_path, reads=False),
        pytest.raises(UnreachableError, match="hung up"),
    ):
        ask(tmp_path, "status")

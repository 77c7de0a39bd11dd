"""Life as a service: the lock, readiness, the watchdog, the log."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
import stat
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent import service
from agent.errors import ConfigError
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listen where systemd would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def heard(listener: socket.socket) -> list[str]:
    """Take everything that systemd was told."""
    messages = []
    try:
        while True:
            messages.append(listener.recv(4096).decode())
    except BlockingIOError:
        return messages


def test_systemd_is_told(systemd: socket.socket) -> None:
    """Each state is one datagram, unchanged."""
    service.notify("READY=1")
    service.notify("STOPPING=1")

    assert heard(systemd) == ["READY=1", "STOPPING=1"]


def test_outside_a_service_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without systemd's socket nothing happens."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    service.notify("READY=1")


def test_a_socket_that_is_gone_does_no_harm(
    systemd: socket.socket, tmp_path: Path
) -> None:
    """A service manager that has died does not take the station with it."""
    systemd.close()
    (tmp_path / "notify").unlink()

    service.notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval"),
    [
        ("30000000", None, timedelta(seconds=15)),
        ("30000000", "own", timedelta(seconds=15)),
        ("30000000", "1", None),
        ("30000000", "nonsense", None),
        ("1", None, timedelta(microseconds=0.5)),
        (None, None, None),
        ("", None, None),
        ("0", None, None),
        ("-1", None, None),
        ("nonsense", None, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_needed(
    monkeypatch: pytest.MonkeyPatch,
    microseconds: str | None,
    pid: str | None,
    interval: timedelta | None,
) -> None:
    """Half of systemd's time, and only if it is meant for this process."""
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)

    assert service.watchdog_interval() == interval


def feed(stuck: list[list[str]], for_s: float) -> None:
    """Feed the watchdog while parts get stuck and loose again."""

    async def find_stuck() -> list[str]:
        return stuck.pop(0) if stuck else []

    async def main() -> None:
        async with running(service.feed_watchdog(find_stuck)):
            await asyncio.sleep(for_s)

    run_virtual(main())


def test_signs_of_life_come_in_time(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and then every half of systemd's time."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    feed([], 61)

    assert heard(systemd) == ["WATCHDOG=1"] * 5


def test_a_stuck_part_silences_the_watchdog(
    systemd: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names it once; when it moves again, so do the signs of life."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    feed([[], ["reader front"], ["reader front"], ["the journal"], []], 61)

    assert heard(systemd) == ["WATCHDOG=1"] * 2
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert errors == [
        "no sign of life from: reader front",
        "no sign of life from: the journal",
    ]


def test_without_a_watchdog_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeding ends at once."""
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    stuck = [["never looked at"]]

    feed(stuck, 3600)

    assert stuck == [["never looked at"]]


def test_one_agent_per_state_directory(tmp_path: Path) -> None:
    """The second one is told so; after the first has gone the way is free."""
    state = tmp_path / "state"
    with (
        service.lock_state(state),
        pytest.raises(ConfigError, match=f"{state} is in use by a running agent"),
        service.lock_state(state),
    ):
        pass
    with service.lock_state(state):
        pass


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (errno.EACCES, "check the disk and permissions"),
        (
            errno.EROFS,
            "systemctl edit rfid-agent, and add [Service] and ReadWrite",
        ),
    ],
)
def test_a_state_directory_that_is_closed_to_us_comes_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int, remedy: str
) -> None:
    """To the service everything is read-only but what the unit names."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        pytest.raises(ConfigError, match=re.escape(remedy)),
        service.lock_state(tmp_path / "state"),
    ):
        pass


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    """A new one is open to its owner only."""
    with service.lock_state(tmp_path / "state"):
        mode = (tmp_path / "state").stat().st_mode

    assert stat.S_IMODE(mode) == 0o700


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("", None), ("/run/creds", Path("/run/creds"))],
)
def test_credentials_are_where_systemd_says(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: Path | None
) -> None:
    """An unset or empty variable means that there are none."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if value is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", value)

    assert service.credentials_directory() == expected


@pytest.mark.parametrize("stream", ["", "1:2", "nonsense"])
def test_the_log_goes_to_stderr_unless_the_journal_reads_it(
    monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    """A JOURNAL_STREAM that is not our stderr was inherited from somebody else."""
    monkeypatch.setenv("JOURNAL_STREAM", stream)

    assert type(service._make_handler()) is logging.StreamHandler

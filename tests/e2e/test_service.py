"""Life under systemd, and the socket for the command line."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from agent.control import SOCKET
from tests.e2e import cards
from tests.e2e.station import AgentProcess
from tests.e2e.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

NOBODY: Final = 65534
#: Becomes another user, then asks; says what the kernel or the daemon did.
STRANGER: Final = f"""
import os, socket, sys
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
with socket.socket(socket.AF_UNIX) as connection:
    try:
        connection.connect(sys.argv[1])
        connection.sendall(b'{{"command": "status"}}\\n')
        print("answered" if connection.recv(1) else "hung up")
    except PermissionError:
        print("not let in")
    except ConnectionError:
        print("hung up")
"""
GARBAGE: Final = {
    "nothing": b"",
    "an empty line": b"\n",
    "no JSON": b"\x00\xff\xfe\n",
    "no object": b"[]\n",
    "no end": b'{"command": "status"',
    "a deep line": b'{"a":' * 9_000 + b"\n",
    "a long line": b'{"command": "' + b"x" * 200_000 + b'"}\n',
}
WRONG_REQUESTS: Final = (
    b"{}\n",
    b'{"command": 5}\n',
    b'{"command": "dance"}\n',
    b'{"command": "tap"}\n',
    b'{"command": "tap", "uid": "\xc3\xa9\xc3\xa9"}\n',
    b'{"command": "tap", "uid": ["04"]}\n',
    b'{"command": "tap", "uid": "zz"}\n',
    b'{"command": "sync", "upstream": ["cpo"]}\n',
    b'{"command": "retry", "id": "all"}\n',
    b'{"command": "retry", "id": 1e300}\n',
    b'{"command": "tap", "uid": "04", "reader": ["front"]}\n',
)


def test_ready_once_the_chargers_were_found(agent: AgentProcess) -> None:
    """READY=1 comes after them, and STOPPING=1 before the end."""
    log = agent.log()
    assert log.index("charger SE*ABC*E1: up") < log.index("ready: ")
    assert agent.evse()["reachable"]
    assert agent.manager.messages == ["READY=1"]
    agent.terminate()
    agent.manager.expect("STOPPING=1", lambda: True)


def test_the_watchdog_is_fed(emsp: ExtrawestServer) -> None:
    """As often as systemd wants, and not when it wants it of somebody else."""
    with AgentProcess(emsp, start=False) as agent:
        agent.environment = {"WATCHDOG_USEC": "600000"}
        agent.start()
        for _ in range(3):
            agent.manager.expect("WATCHDOG=1", agent.is_alive, within_s=5)


def test_a_second_daemon_is_refused(agent: AgentProcess) -> None:
    """The state directory has one writer."""
    second = agent.cli("run")
    assert second.returncode == 2
    assert "in use by a running agent" in second.stderr
    assert agent.tap(cards.ALWAYS)["outcome"] == "granted"


def test_after_sigint_it_ends_in_order(agent: AgentProcess) -> None:
    """Ctrl-C in the foreground is no accident."""
    agent.interrupt()
    assert agent.exit_status() == 0


def test_the_socket_is_ours_alone(agent: AgentProcess) -> None:
    """By its mode, and by the kernel's word where the mode was changed."""
    path = agent.state / SOCKET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif("os.geteuid() != 0", reason="only root can become another user")
def test_another_user_is_not_answered(agent: AgentProcess) -> None:
    """Not let in by the mode; not answered where somebody changed the mode."""
    path = agent.state / SOCKET
    for directory in (agent.directory, agent.state):
        directory.chmod(0o755)
    assert ask_as_nobody(path) == "not let in"
    path.chmod(0o666)
    assert ask_as_nobody(path) == "hung up"
    assert agent.ask("status")["healthy"]


def ask_as_nobody(path: Path) -> str:
    """Ask for the status as a user without rights; return what came of it."""
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.stdout.strip()


def test_garbage_on_the_socket_hurts_nobody(agent: AgentProcess) -> None:
    """It is hung up on; no bug shows in the log, and none of what came."""
    for name, line in GARBAGE.items():
        assert exchange(agent, line, hang_up=True) == b"", name
        assert agent.ask("status")["healthy"], name
    assert "xxxx" not in agent.log()
    assert "ERROR" not in agent.log()


def test_wrong_requests_are_answered(agent: AgentProcess) -> None:
    """Whatever is wrong with a request, whoever asked hears of it."""
    for line in WRONG_REQUESTS:
        answer = exchange(agent, line)
        assert b'"error"' in answer or b'"refused"' in answer, line
        assert agent.ask("status")["healthy"], line
    assert "ERROR" not in agent.log()


def exchange(agent: AgentProcess, line: bytes, *, hang_up: bool = False) -> bytes:
    """Send something; read until the daemon hangs up."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(agent.state / SOCKET))
        try:
            connection.sendall(line)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                answer += part
        except ConnectionError:
            pass  # It has hung up before it was told all.
    return answer


def test_many_clients_at_once_are_all_answered(agent: AgentProcess) -> None:
    """Watchers that never read hold up neither taps nor questions."""
    idle = [socket.socket(socket.AF_UNIX) for _ in range(30)]
    try:
        for connection in idle:
            connection.connect(str(agent.state / SOCKET))
            connection.sendall(b'{"command": "watch"}\n')
        agent.plug()
        for _ in range(20):
            assert agent.tap(cards.ALWAYS)["outcome"] == "started"
            assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    finally:
        for connection in idle:
            connection.close()

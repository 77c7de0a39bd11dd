"""The control socket: answers, progress, nonsense, and who may ask at all."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from agent import control
from agent.control import (
    MAX_LINE_BYTES,
    CommandError,
    ControlServer,
    Progress,
)
from agent.errors import StoreBusyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from agent.control import Command


class Commands:
    """Commands that do what their names say, and remember how they ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.waiting = asyncio.Event()

    def table(self) -> dict[str, Command]:
        """List them."""
        return {
            "echo": self.echo,
            "count": self.count,
            "refuse": self.refuse,
            "fail": self.fail,
            "break": self.break_down,
            "watch": self.watch,
            "nothing": self.nothing,
        }

    async def echo(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Say what was asked."""
        yield request

    async def count(self, _: dict[str, Any]) -> AsyncIterator[Any]:
        """Take steps."""
        yield Progress({"seen": 1})
        yield Progress({"seen": 2})
        yield "counted"

    async def refuse(self, _: dict[str, Any]) -> AsyncIterator[Any]:
        """Make no sense here."""
        yield Progress({"seen": 1})
        raise CommandError("no upstream is called 'x'")

    async def fail(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Fail as the agent may."""
        if request:
            raise StoreBusyError("in use")
        yield None

    async def break_down(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Have a bug."""
        yield Progress({"share": 1 / len(request)})
        yield 1 / (len(request) - 1)

    async def nothing(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Give no result."""
        if not request:
            yield None

    async def watch(self, _: dict[str, Any]) -> AsyncIterator[Any]:
        """Go on until nobody listens."""
        try:
            yield Progress({"event": "watching"})
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


class Asker:
    """A client that may say anything."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: bytes | dict[str, Any]) -> list[Any]:
        """Send one line and read until the other side closes."""
        data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
        self.writer.write(data)
        await self.writer.drain()
        answer = await self.reader.read()
        return [json.loads(part) for part in answer.splitlines()]


def play(
    folder: Path,
    story: Callable[[Callable[[], Awaitable[Asker]], Commands], Awaitable[None]],
) -> None:
    """Run a server beside a story; `connect` makes a client."""

    async def main() -> None:
        commands = Commands()
        path = folder / control.SOCKET
        clients: list[Asker] = []

        async def connect() -> Asker:
            clients.append(Asker(*await asyncio.open_unix_connection(path)))
            return clients[-1]

        server = ControlServer(path, commands.table())
        async with asyncio.timeout(10), server.running():
            await story(connect, commands)
        for client in clients:
            client.writer.close()
            await client.writer.wait_closed()
        assert not path.exists()

    asyncio.run(main())


def ask(folder: Path, line: bytes | dict[str, Any]) -> list[Any]:
    """Ask one thing and return the lines of the answer."""
    answers: list[Any] = []

    async def story(connect: Callable[[], Awaitable[Asker]], _: Commands) -> None:
        answers.extend(await (await connect()).ask(line))

    play(folder, story)
    return answers


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"command": "echo", "x": 1}, [{"result": {"command": "echo", "x": 1}}]),
        (
            {"command": "count"},
            [
                {"progress": {"seen": 1}},
                {"progress": {"seen": 2}},
                {"result": "counted"},
            ],
        ),
        (
            {"command": "refuse"},
            [{"progress": {"seen": 1}}, {"error": "no upstream is called 'x'"}],
        ),
        ({"command": "fail"}, [{"error": "in use"}]),
        ({"command": "nothing"}, [{"result": None}]),
        ({"command": "fly"}, [{"error": "unknown command 'fly'"}]),
        (
            {"command": None},
            [{"error": "bad request: Expected `str`, got `null` - at `$.command`"}],
        ),
        (
            {"command": ["echo"]},
            [{"error": "bad request: Expected `str`, got `array` - at `$.command`"}],
        ),
        (
            {},
            [{"error": "bad request: Object missing required field `command`"}],
        ),
    ],
)
def test_a_request_is_answered(
    tmp_path: Path, request_: dict[str, Any], answer: list[Any]
) -> None:
    """Progress lines, then one result or one error, then the end."""
    assert ask(tmp_path, request_) == answer


def test_a_bug_is_logged_and_told_as_such(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asks is not left waiting, and the log has the traceback."""
    _, answer = ask(tmp_path, {"command": "break"})

    assert "internal error" in answer["error"]
    [record] = [record for record in caplog.records if record.exc_info]
    assert "break" in record.getMessage()


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"[]\n",
        b'"echo"\n',
        b'{"command": "echo"\n',
        b'{"command": "echo"} trailing\n',
        b"\xff\xfe\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"[" * 30000 + b"\n",
        b'{"command": "' + b"x" * (2 * MAX_LINE_BYTES) + b'"}\n',
    ],
    ids=lambda line: repr(line[:12]),
)
def test_nonsense_gets_no_answer_and_does_no_harm(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection is closed, nothing is logged, and the next one is served."""

    async def story(connect: Callable[[], Awaitable[Asker]], _: Commands) -> None:
        # It may be closed before everything was read.
        with suppress(ConnectionError):
            assert await (await connect()).ask(line) == []
        assert await (await connect()).ask({"command": "count"})

    play(tmp_path, story)

    assert caplog.records == []


def test_a_request_may_arrive_in_pieces(tmp_path: Path) -> None:
    """A line is a line however it travels."""

    async def story(connect: Callable[[], Awaitable[Asker]], _: Commands) -> None:
        client = await connect()
        for byte in b'{"command": "ec':
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert len(await client.ask(b'ho"}\n')) == 1

    play(tmp_path, story)


def test_a_watch_ends_with_its_watcher(tmp_path: Path) -> None:
    """Hanging up ends the command, and its clean-up runs."""

    async def story(
        connect: Callable[[], Awaitable[Asker]], commands: Commands
    ) -> None:
        client = await connect()
        client.writer.write(b'{"command": "watch"}\n')
        await commands.waiting.wait()
        assert not commands.ended.is_set()
        client.writer.close()
        await commands.ended.wait()

    play(tmp_path, story)


def test_hanging_up_without_a_word_is_fine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that only looked whether somebody listens."""

    async def story(connect: Callable[[], Awaitable[Asker]], _: Commands) -> None:
        (await connect()).writer.close()
        assert await (await connect()).ask({"command": "count"})

    play(tmp_path, story)

    assert caplog.records == []


def test_several_may_ask_at_once(tmp_path: Path) -> None:
    """A watcher does not hold up the next one."""

    async def story(
        connect: Callable[[], Awaitable[Asker]], commands: Commands
    ) -> None:
        watcher = await connect()
        watcher.writer.write(b'{"command": "watch"}\n')
        await commands.waiting.wait()
        answers = await asyncio.gather(
            *[(await connect()).ask({"command": "count"}) for _ in range(5)]
        )
        assert all(len(answer) == 3 for answer in answers)

    play(tmp_path, story)


class Credentials:
    """What the kernel would say of a peer."""

    size = 12

    def __init__(self, uid: int) -> None:
        self._uid = uid

    def unpack(self, _: bytes) -> tuple[int, int, int]:
        """Name process, user and group."""
        return 1, self._uid, self._uid


@pytest.mark.parametrize(
    ("peer", "own", "lines"),
    [(0, 4711, 3), (4711, 4711, 3), (4712, 4711, 0), (65534, 0, 0)],
    ids=["root", "own user", "another user", "another user, we are root"],
)
def test_only_root_and_the_own_user_may_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: int, own: int, lines: int
) -> None:
    """The kernel names the peer; others are hung up on before they are heard."""
    monkeypatch.setattr(control, "_PEER_CREDENTIALS", Credentials(peer))
    monkeypatch.setattr("os.geteuid", lambda: own)
    try:
        answer = ask(tmp_path, {"command": "count"})
    except ConnectionError:
        answer = []

    assert len(answer) == lines


def test_the_socket_is_private(tmp_path: Path) -> None:
    """The file system lets only the owner connect, from the first moment on."""

    async def story(_: object, __: object) -> None:
        mode = (tmp_path / control.SOCKET).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600

    play(tmp_path, story)


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    """After a kill the file is still there; nobody has to delete it by hand."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / control.SOCKET))

    assert ask(tmp_path, {"command": "count"})


def test_a_place_where_nobody_can_listen_is_named(tmp_path: Path) -> None:
    """The error says where; the umask of the process is as it was."""

    async def main() -> None:
        server = ControlServer(tmp_path / "missing" / "x.sock", {})
        with pytest.raises(CommandError, match="missing"):
            async with server.running():
                pass

    asyncio.run(main())
    (tmp_path / "file").touch()
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) & 0o600 == 0o600

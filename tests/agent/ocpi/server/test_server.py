"""Opening the server: the address, the certificate, and what is installed."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading

import pytest
from msgspec.structs import replace

from tests.agent.ocpi.server.hosting import (
    BASE,
    SECRET,
    Host,
)
from tests.agent.ocpi.server.opening import (
    OPTIONS,
    Files,
    complaint,
    open_and_close,
    server_of,
    with_tls,
)


def test_a_port_that_is_taken_is_named() -> None:
    """The message says which and how to find the other program."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        words = complaint(replace(OPTIONS, listen=listen))

    assert listen in words
    assert "another program" in words


def test_an_address_of_another_machine_is_refused(files: Files) -> None:
    """One can listen only where one is."""
    words = complaint(with_tls(files, "192.0.2.1:0"))

    assert "192.0.2.1:0: this machine has no such address" in words


@pytest.mark.parametrize("listen", ["127.0.0.1:70000", "127.0.0.1:", "127.0.0.1:x"])
def test_a_port_that_is_none(listen: str) -> None:
    """The message says what a port is."""
    assert "expected a port from 0 to 65535" in complaint(
        replace(OPTIONS, listen=listen)
    )


@pytest.mark.parametrize("listen", ["no.such.name.invalid:0", f"{'x' * 70}:0", "..:0"])
def test_a_name_that_leads_nowhere(listen: str) -> None:
    """It is told, and no traceback."""
    assert "leads to no address" in complaint(replace(OPTIONS, listen=listen))


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_plain_http_is_for_this_machine_only(listen: str) -> None:
    """Without TLS nobody from outside is served, whatever the address."""
    words = complaint(replace(OPTIONS, listen=listen))

    assert "can be reached from outside" in words
    assert "set certificate and key" in words


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.1.2.3:0", "localhost:0"])
def test_every_loopback_address_is_this_machine(listen: str) -> None:
    """A proxy may use any of them."""
    open_and_close(replace(OPTIONS, listen=listen))


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_with_tls_every_address_will_do(listen: str, files: Files) -> None:
    """Then the station itself may face the network."""
    open_and_close(with_tls(files, listen))


def test_whoever_connects_before_it_runs_is_served_then() -> None:
    """Listening begins with opening."""

    async def main() -> bytes:
        server = server_of(OPTIONS)
        async with server.open():
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                f"GET {BASE}/versions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Authorization: Token {SECRET}\r\n\r\n".encode()
            )
            running = asyncio.create_task(server.run())
            answer = await reader.read()
            writer.close()
            running.cancel()
            await asyncio.wait({running})
        return answer

    assert asyncio.run(main()).startswith(b"HTTP/1.1 200")


def test_it_must_be_open_to_run() -> None:
    """Nothing is served by mistake."""
    with pytest.raises(RuntimeError, match="not open"):
        asyncio.run(server_of(OPTIONS).run())


def test_no_signal_is_touched_and_no_thread_left() -> None:
    """The daemon's own handlers stay, and it runs in the daemon's loop."""
    threads = threading.active_count()

    def handlers() -> list[object]:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        return [signal.getsignal(number) for number in numbers]

    async def main() -> None:
        before = handlers()
        async with Host().serving() as host:
            assert (await host.ask("GET", "/versions")).http == 200
            assert handlers() == before
        assert handlers() == before

    asyncio.run(main())

    assert threading.active_count() <= threads


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_is_not_installed_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how to install it; nothing is imported before."""
    for name in list(sys.modules):
        if name.startswith(("agent.ocpi.server.", missing)):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    assert "pip install 'rfid-agent[web]'" in complaint(OPTIONS)

"""TLS for those who call: what is served, and which files are refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec.structs import replace

from agent.ocpi.server import Limits
from agent.ocpi.server.certificate import make_server_context
from tests.agent.ocpi.server.hosting import BASE, SECRET, Host, hosted
from tests.agent.ocpi.server.opening import OPTIONS, Files, complaint, with_tls


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_served(files: Files, version: ssl.TLSVersion) -> None:
    """The whole chain is sent, and requests are answered."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    files.ca.configure_trust(trust)
    trust.minimum_version = trust.maximum_version = version

    async def test(host: Host) -> None:
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            for _ in range(2):
                answer = await client.get(
                    f"https://127.0.0.1:{host.port}{BASE}/versions",
                    headers={"Authorization": f"Token {SECRET}"},
                )
                assert answer.status_code == 200

    hosted(test, options=with_tls(files))


def test_old_tls_is_not(files: Files) -> None:
    """The server has no version below 1.2."""
    context = make_server_context(files.chain, files.key)

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_those_who_speak_no_tls_are_hung_up_on(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    """Plain HTTP, garbage and silence end, unheard and without a word in the log."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    files.ca.configure_trust(trust)

    async def test(host: Host) -> None:
        for sent in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 500, b""):
            reader, writer = await host.connect()
            writer.write(sent)
            try:
                answer = await reader.read()
            except ConnectionError:
                answer = b""
            assert b"HTTP" not in answer
            writer.close()
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            url = f"https://127.0.0.1:{host.port}{BASE}/versions"
            assert (await client.get(url)).status_code == 401

    limits = replace(Limits(), head=1.0, unread=0.1)
    hosted(test, options=with_tls(files), limits=limits)

    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_half_a_handshake_makes_room(files: Files) -> None:
    """Connections that never finish it keep nobody out, and end with the server."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    files.ca.configure_trust(trust)

    async def test(host: Host) -> None:
        crowd = [await host.connect() for _ in range(20)]
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            url = f"https://127.0.0.1:{host.port}{BASE}/versions"
            assert (await client.get(url)).status_code == 401
        for _, writer in crowd:
            writer.close()

    hosted(test, options=with_tls(files), limits=replace(Limits(), connections=4))


def test_a_certificate_needs_its_key(files: Files) -> None:
    """One without the other is a mistake."""
    for options in (
        replace(OPTIONS, certificate=files.chain),
        replace(OPTIONS, key=files.key),
    ):
        assert "certificate and key, or none" in complaint(options)


def encrypted(files: Files, path: Path) -> Path:
    """Lock the key with a passphrase."""
    key = load_pem_private_key(files.key.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return path


def test_files_that_cannot_be_used_are_named(files: Files, tmp_path: Path) -> None:
    """Missing, empty, damaged, foreign or locked: each has its own words."""
    empty, damaged, foreign = (
        tmp_path / name for name in ("empty", "damaged", "other")
    )
    empty.touch()
    damaged.write_bytes(files.key.read_bytes().replace(b"A", b"!"))
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(foreign)
    whole = with_tls(files)
    for options, words in [
        (replace(whole, certificate=tmp_path / "no"), ["certificate", "cannot read"]),
        (replace(whole, key=tmp_path / "no"), ["key", "cannot read", "no"]),
        (replace(whole, certificate=empty), ["certificate", "empty", "in PEM"]),
        (replace(whole, key=empty), ["key", "empty", "in PEM"]),
        (replace(whole, key=damaged), ["damaged"]),
        (replace(whole, key=foreign), ["key", "does not belong"]),
        (replace(whole, key=encrypted(files, tmp_path / "locked")), ["passphrase"]),
    ]:
        said = complaint(options)
        assert said.startswith("[server] ")
        assert [word for word in words if word not in said] == []


def test_nothing_stays_open_after_a_mistake(files: Files, tmp_path: Path) -> None:
    """A server that could not be opened leaves no socket behind."""
    before = set(Path("/proc/self/fd").iterdir())
    complaint(replace(with_tls(files), key=tmp_path / "no"))
    complaint(replace(OPTIONS, listen="0.0.0.0:0"))

    # The one is that of the look itself.
    assert len(set(Path("/proc/self/fd").iterdir()) - before) <= 1

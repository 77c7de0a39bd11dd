"""A full synchronisation over HTTP against the bare loop on the same pages."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.connection import OcpiConnection
from agent.ocpi.station import StationIdentity
from agent.ocpi.sync import Synchronizer
from agent.ocpi.upstream import Upstream
from agent.ocpi.v221 import Token  # noqa: TC001 - msgspec reads the annotation
from benchmarks.lists import UPSTREAM, open_whitelist
from benchmarks.verdicts import Verdict
from tests.pages_server import PagesServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PAGE_SIZE = 1000


class _Envelope(msgspec.Struct):
    data: list[Token]


def measure(directory: Path, size: int) -> Iterator[Verdict]:
    """Synchronise a list of this size, in a process of its own to see its memory."""
    directory.mkdir()
    with PagesServer(size, page_size=PAGE_SIZE) as server:
        pages, fetching_s = fetch_pages(server)
        command = (sys.executable, "-m", "benchmarks.synchronisation", str(directory))
        result = subprocess.run(
            [*command, server.versions_url, server.credentials_token],
            stdout=subprocess.PIPE,
            check=True,
        )
    ours_s, growth_mib = msgspec.json.decode(result.stdout, type=tuple[float, float])
    bare_s = run_bare(directory / "bare.db", pages)
    yield Verdict(
        f"synchronisation / bare loop, {size:,} tokens",
        bare_s / ours_s,
        0.6,
        "x",
        at_most=False,
        note=f"{size / ours_s:,.0f}/s over HTTP, bare {size / bare_s:,.0f}/s; "
        f"fetching alone {size / fetching_s:,.0f}/s",
    )
    yield Verdict(
        f"memory added by synchronising {size:,} tokens", growth_mib, 32, "MiB"
    )


def fetch_pages(
    server: PagesServer, at_most: int | None = None
) -> tuple[list[bytes], float]:
    """Fetch every page, or the first ones, with nothing but httpx."""
    pages: list[bytes] = []
    begin = perf_counter()
    with httpx.Client(headers=_header(server.credentials_token)) as client:
        url: str | None = f"{server.tokens_url}?limit={PAGE_SIZE}"
        while url and len(pages) != at_most:
            response = client.get(url)
            pages.append(response.content)
            url = response.links.get("next", {}).get("url")
    return pages, perf_counter() - begin


def _header(token: str) -> dict[str, str]:
    from base64 import b64encode  # noqa: PLC0415 - used once

    return {"Authorization": f"Token {b64encode(token.encode()).decode()}"}


def run_bare(path: Path, pages: list[bytes]) -> float:
    """Decode and insert, as plainly as it goes; durable like a whitelist."""
    decoder = msgspec.json.Decoder(_Envelope)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE bare (uid TEXT PRIMARY KEY, country TEXT, party TEXT, type TEXT, "
        "contract_id TEXT, visual_number TEXT, issuer TEXT, valid INTEGER, "
        "whitelist TEXT, updated TEXT)"
    )
    begin = perf_counter()
    for page in pages:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    item.uid,
                    item.country_code,
                    item.party_id,
                    item.type,
                    item.contract_id,
                    item.visual_number,
                    item.issuer,
                    item.valid,
                    item.whitelist,
                    item.last_updated.isoformat(),
                )
                for item in decoder.decode(page).data
            ],
        )
        connection.execute("COMMIT")
    connection.close()
    return perf_counter() - begin


def open_connection(versions_url: str, token: str) -> OcpiConnection:
    """Connect to a server of pages."""
    return OcpiConnection(
        Upstream(
            name=UPSTREAM,
            versions_url=versions_url,
            token=CredentialsToken(token),
            page_size=PAGE_SIZE,
            station=StationIdentity(
                country_code="SE", party_id="ABC", location_id="LOC-1"
            ),
        )
    )


async def _run_ours(directory: Path, versions_url: str, token: str) -> float:
    connection = open_connection(versions_url, token)
    whitelist = open_whitelist(directory)
    synchronizer = Synchronizer(UPSTREAM, connection, whitelist)
    try:
        begin = perf_counter()
        await synchronizer.run(full=True, on_progress=lambda _: None)
        return perf_counter() - begin
    finally:
        await connection.close()
        whitelist.close()


def peak_mib(pid: int | str = "self") -> float:
    """The most memory a process has ever had resident."""
    return _status(pid, "VmHWM")


def resident_mib(pid: int | str = "self") -> float:
    """The memory a process has resident now."""
    return _status(pid, "VmRSS")


def _status(pid: int | str, field: str) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) / 1024


def main(arguments: list[Any]) -> None:
    """Synchronise once and print seconds and MiB, for `measure`."""
    from pathlib import Path  # noqa: PLC0415 - only in the child

    directory, versions_url, token = arguments
    before = resident_mib()
    seconds = asyncio.run(_run_ours(Path(directory), versions_url, token))
    print(msgspec.json.encode((seconds, peak_mib() - before)).decode())


if __name__ == "__main__":
    main(sys.argv[1:])

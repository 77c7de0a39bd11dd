"""A fast OCPI 2.2.1 token list of any size, in a process of its own.

`python -m tests.pages_server --tokens N` prints its port as the first line. Pages are
rendered before that, up to a memory budget, so that a benchmark measures its client.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

HOST: Final = "127.0.0.1"
TOKEN: Final = "pages-credentials-token"
BASE: Final = "/ocpi/2.2.1"
#: Rendered pages kept in memory; larger lists are rendered again on each visit.
BUDGET_BYTES: Final = 512 * 1024 * 1024
FIRST_UPDATE: Final = datetime(2024, 1, 1, tzinfo=UTC)
SECONDS_PER_DAY: Final = 86_400
# Odd, so that multiplication modulo 2**48 maps different numbers to different uids.
SCATTER: Final = 0x9E37_79B9_7F4B
WHITELISTS: Final = (
    *("ALLOWED",) * 10,
    *("ALLOWED_OFFLINE",) * 5,
    *("ALWAYS",) * 3,
    *("NEVER",) * 2,
)
ISSUERS: Final = tuple(f"Mobility Service {name}" for name in "ABCDEFGHIJKLMNOPQRST")
_LAST: Final = 19  # The least of all priorities (setpriority(2))
AUTHORIZE: Final = re.compile(re.escape(BASE) + r"/tokens/([^/]+)/authorize")


def token(number: int) -> dict[str, str | bool]:
    """Return the OCPI 2.2.1 Token at this offset; distinct and repeatable to 10**8."""
    parsed: dict[str, str | bool] = json.loads(_render(number, _uid(number)))
    return parsed


def _uid(number: int) -> str:
    """Return 7 bytes as NXP numbers them: 04 first."""
    return f"04{(number * SCATTER + 0x5A5A5A) & 0xFFFF_FFFF_FFFF:012X}"


@lru_cache(maxsize=4)
def _date(day: int) -> str:
    return (FIRST_UPDATE + timedelta(days=day)).date().isoformat()


def _render(number: int, uid: str) -> str:
    day, second = divmod(number, SECONDS_PER_DAY)
    minute, second = divmod(second, 60)
    clock = f"{minute // 60:02d}:{minute % 60:02d}:{second:02d}"
    # One card in 50 is revoked; 7 keeps that apart from the whitelist kinds.
    valid = "false" if number % 50 == 7 else "true"
    return (
        '{"country_code":"NL","party_id":"TNM",'
        f'"uid":"{uid}","type":"RFID","contract_id":"NL-TNM-C{number:08d}",'
        f'"visual_number":"NLTNM{number:08d}","issuer":"{ISSUERS[number % 20]}",'
        f'"valid":{valid},"whitelist":"{WHITELISTS[number // 20 % 20]}",'
        f'"language":"nl","last_updated":"{_date(day)}T{clock}Z"}}'
    )


def _envelope(data: str) -> bytes:
    head = '{"status_code":1000,"status_message":"Success",'
    return f'{head}"timestamp":"2026-01-01T00:00:00Z","data":{data}}}'.encode()


@dataclass(frozen=True, slots=True)
class _Reply:
    body: bytes
    status: str = "200 OK"
    headers: tuple[str, ...] = ()
    #: Send half of the body, then hang up.
    is_cut: bool = False
    #: Offset and limit of the page the client will want next.
    following: tuple[int, int] | None = None


class _Pages:
    """The token list: rendered pages, their headers and the one planned cut."""

    def __init__(self, total: int, page_size: int, cut_at: int | None) -> None:
        self.port = 0
        self._total = total
        self._page_size = page_size
        self._cut_at = cut_at
        self._kept: dict[tuple[int, int], bytes] = {}
        self._ahead: tuple[tuple[int, int], bytes] | None = None
        spent = 0
        for offset in range(0, total, page_size):
            page = self._kept[offset, page_size] = self._page(offset, page_size)
            spent += len(page)
            if spent > BUDGET_BYTES:
                break

    def reply(self, method: str, target: str, authorization: str) -> _Reply:
        """Answer one request."""
        path = urlsplit(target).path.rstrip("/")
        if authorization != expected_authorization():
            return _Reply(b'{"detail":"unauthorized"}', "401 Unauthorized")
        match method, path.removeprefix(BASE):
            case "GET", "/ocpi/versions":
                version = {"version": "2.2.1", "url": self._url("")}
                return _Reply(_envelope(json.dumps([version])))
            case "GET", "":
                tokens = {"identifier": "tokens", "role": "SENDER"}
                details = {"endpoints": [tokens | {"url": self._url("/tokens")}]}
                return _Reply(_envelope(json.dumps({"version": "2.2.1"} | details)))
            case "GET", "/tokens":
                return self._list(dict(parse_qsl(urlsplit(target).query)))
        if method == "POST" and (asked := AUTHORIZE.fullmatch(path)):
            card = _render(0, unquote(asked[1]))
            return _Reply(_envelope(f'{{"allowed":"ALLOWED","token":{card}}}'))
        return _Reply(b'{"detail":"not found"}', "404 Not Found")

    def render_ahead(self, offset: int, limit: int) -> None:
        """Render one page before it is asked for, unless it is kept."""
        if offset < self._total and (offset, limit) not in self._kept:
            self._ahead = (offset, limit), self._page(offset, limit)

    def _list(self, query: dict[str, str]) -> _Reply:
        offset = int(query.get("offset", 0))
        limit = min(int(query.get("limit", self._page_size)), self._page_size)
        # Nothing ever changes after the first crawl.
        total = 0 if "date_from" in query else self._total
        headers = [f"X-Total-Count: {total}", f"X-Limit: {self._page_size}"]
        following = offset + limit
        if following < total:
            url = f"{self._url('/tokens')}?offset={following}&limit={limit}"
            headers.append(f'Link: <{url}>; rel="next"')
        is_cut = self._cut_at is not None and offset <= self._cut_at < following
        if is_cut:
            self._cut_at = None
        body = self._page(offset, limit) if total else _envelope("[]")
        return _Reply(
            body, headers=tuple(headers), is_cut=is_cut, following=(following, limit)
        )

    def _page(self, offset: int, limit: int) -> bytes:
        if page := self._kept.get((offset, limit)):
            return page
        if self._ahead is not None and self._ahead[0] == (offset, limit):
            return self._ahead[1]
        numbers = range(offset, min(offset + limit, self._total))
        return _envelope(f"[{','.join([_render(n, _uid(n)) for n in numbers])}]")

    def _url(self, path: str) -> str:
        return f"http://{HOST}:{self.port}{BASE}{path}"


@lru_cache(maxsize=1)
def expected_authorization() -> str:
    """Return the one Authorization value that is accepted (OCPI 2.2.1: Base64)."""
    return "Token " + base64.b64encode(TOKEN.encode()).decode()


async def _serve_connection(
    pages: _Pages, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer requests until the client goes away or the planned cut comes."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *lines = head.rstrip().split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            await reader.readexactly(int(headers.get("content-length", 0)))
            method, target, _ = request.split(" ")
            reply = pages.reply(method, target, headers.get("authorization", ""))
            fields = (
                f"HTTP/1.1 {reply.status}",
                "Content-Type: application/json",
                f"Content-Length: {len(reply.body)}",
                *reply.headers,
            )
            start = "\r\n".join(fields).encode() + b"\r\n\r\n"
            sent = len(reply.body) // (2 if reply.is_cut else 1)
            writer.writelines((start, reply.body[:sent]))
            await writer.drain()
            if reply.is_cut:
                return
            if reply.following:
                # While the client digests this page.
                pages.render_ahead(*reply.following)
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _run(pages: _Pages) -> None:
    server = await asyncio.start_server(partial(_serve_connection, pages), HOST, 0)
    pages.port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{pages.port}\n")
    sys.stdout.flush()
    await server.serve_forever()


class PagesServer:
    """Runs the server as a child; a context manager. Accepts `credentials_token`."""

    credentials_token: Final = TOKEN

    def __init__(
        self, tokens: int, *, page_size: int = 1000, cut_at: int | None = None
    ) -> None:
        self._options = ["--tokens", str(tokens), "--page-size", str(page_size)]
        if cut_at is not None:
            self._options += ["--cut-at", str(cut_at)]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pages_server", *self._options],
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        first = self._process.stdout.readline() if self._process.stdout else ""
        if not first:
            self.__exit__(None, None, None)
            raise RuntimeError("expected a port from the pages server, it has ended")
        self.port = int(first)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            # Popen's own exit closes the pipe and waits.
            with self._process:
                self._process.terminate()

    def give_way(self) -> None:
        """Take what is left of the processor, as a server elsewhere would."""
        if self._process is not None:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _LAST)

    @property
    def versions_url(self) -> str:
        """The URL an operator would be given."""
        return f"http://{HOST}:{self.port}/ocpi/versions"

    @property
    def tokens_url(self) -> str:
        """The tokens SENDER endpoint."""
        return f"http://{HOST}:{self.port}{BASE}/tokens"


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--page-size", type=int, default=1000)
    parser.add_argument("--cut-at", type=int, help="hang up once amid this page")
    options = parser.parse_args()
    pages = _Pages(options.tokens, options.page_size, options.cut_at)
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(pages))


if __name__ == "__main__":
    main()

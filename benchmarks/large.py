"""Ten million tokens: the rate, the memory, the disk, and cards tapped meanwhile."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Final

import msgspec

from agent.domain.uid import Uid
from agent.event_loop import StationLoop
from agent.ocpi.sync import Synchronizer
from benchmarks.lists import UPSTREAM, build_whitelist
from benchmarks.synchronisation import (
    PAGE_SIZE,
    fetch_pages,
    open_connection,
    peak_mib,
    resident_mib,
    run_bare,
)
from benchmarks.tracing import counts_pages, written_bytes
from benchmarks.verdicts import Verdict, percentile
from tests.pages_server import PagesServer, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.store.whitelist import Whitelist

SIZE: Final = 10_000_000
# The plainest loop inserts at random and gets slower and slower; it need not go on.
_BARE_SIZE: Final = 1_000_000
_BEFORE: Final = 10_000
_LOOKUPS: Final = 20_000
_IDLE_LOOKUPS: Final = 2_000
_A_CARD_EVERY_S: Final = 0.01


class _Measured(msgspec.Struct):
    """What the child found out; lookups in nanoseconds."""

    seconds: float
    added_mib: float
    written_bytes: int
    file_bytes: int
    found_before: list[int]
    found_meanwhile: list[int]
    small: list[int]
    large: list[int]


def measure(directory: Path, size: int = SIZE) -> Iterator[Verdict]:
    """Synchronise in a process of its own, from a server in another one."""
    directory.mkdir()
    with PagesServer(size, page_size=PAGE_SIZE) as server:
        pages, fetching_s = fetch_pages(server, min(size, _BARE_SIZE) // PAGE_SIZE)
        server.give_way()
        result = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.large", str(directory), str(size)),
                *(server.versions_url, server.credentials_token),
            ],
            stdout=subprocess.PIPE,
            check=True,
        )
    measured = msgspec.json.decode(result.stdout, type=_Measured)
    bare_size = len(pages) * PAGE_SIZE
    bare_rate = bare_size / run_bare(directory / "bare.db", pages)
    yield from _judge_sync(size, measured, bare_rate, bare_size / fetching_s)
    yield from _judge_disk(directory, size, measured)
    yield from _judge_lookups(size, measured)


def _judge_sync(
    size: int, measured: _Measured, bare_rate: float, fetch_rate: float
) -> Iterator[Verdict]:
    rate = size / measured.seconds
    yield Verdict(
        f"synchronisation / bare loop, {size:,} tokens",
        rate / bare_rate,
        0.6,
        "x",
        at_most=False,
        note=f"{rate:,.0f}/s, {measured.seconds:,.0f} s in all; "
        f"bare {bare_rate:,.0f}/s, fetching alone {fetch_rate:,.0f}/s, "
        f"both over the first {min(size, _BARE_SIZE):,}",
    )
    yield Verdict(
        f"memory added by synchronising {size:,} tokens",
        measured.added_mib,
        32,
        "MiB",
    )


def _judge_disk(directory: Path, size: int, measured: _Measured) -> Iterator[Verdict]:
    """Every page counts that was changed, those of temporary files as well."""
    what = f"written / size of the list, {size:,} tokens"
    if not counts_pages(directory):
        print(f"{what}: skipped: not on a disk; set TMPDIR")
        return
    yield Verdict(
        what,
        measured.written_bytes / measured.file_bytes,
        3.0,
        "x",
        note=f"{measured.written_bytes / 2**20:,.0f} MiB (write_bytes in /proc) / "
        f"{measured.file_bytes / 2**20:,.0f} MiB",
    )


def _judge_lookups(size: int, measured: _Measured) -> Iterator[Verdict]:
    for share, budget in ((0.5, 2.0), (0.99, 5.0)):
        large = percentile(measured.large, share)
        small = percentile(measured.small, share)
        yield Verdict(
            f"lookup / among {_BEFORE:,}, p{share * 100:.0f}, {size:,} tokens",
            large / small,
            budget,
            "x",
            note=f"{large / 1000:.1f} us / {small / 1000:.1f} us",
        )
    meanwhile = percentile(measured.found_meanwhile, 0.99)
    before = percentile(measured.found_before, 0.99)
    yield Verdict(
        f"lookup while synchronising / before, p99, {size:,} tokens",
        meanwhile / before,
        5.0,
        "x",
        note=f"{meanwhile / 1000:.1f} us / {before / 1000:.1f} us, "
        f"{len(measured.found_meanwhile):,} cards",
    )


# ---- the child --------------------------------------------------------------------


async def _run(
    directory: Path, size: int, versions_url: str, credentials_token: str
) -> _Measured:
    with closing(build_whitelist(directory, _BEFORE)) as whitelist:
        small = _look_up(whitelist, _BEFORE)
        found_before: list[int] = []
        await _tap(whitelist, found_before, _IDLE_LOOKUPS)
        connection = open_connection(versions_url, credentials_token)
        synchronizer = Synchronizer(UPSTREAM, connection, whitelist)
        before_mib, before_bytes = resident_mib(), written_bytes()
        found_meanwhile: list[int] = []
        tapping = asyncio.create_task(_tap(whitelist, found_meanwhile))
        begin = perf_counter()
        await synchronizer.run(full=True, on_progress=lambda _: None)
        seconds = perf_counter() - begin
        tapping.cancel()
        await connection.close()
        return _Measured(
            seconds=seconds,
            added_mib=peak_mib() - before_mib,
            written_bytes=written_bytes() - before_bytes,
            file_bytes=whitelist.file.stat().st_size,
            found_before=found_before,
            found_meanwhile=found_meanwhile,
            small=small,
            large=_look_up(whitelist, size),
        )


def _look_up(whitelist: Whitelist, size: int) -> list[int]:
    """Look one card after another up, of a list of this size."""
    chance = random.Random(7)  # noqa: S311 - repeatable, no secret
    uids = [_uid(chance.randrange(size)) for _ in range(_LOOKUPS)]
    return [_time(whitelist, uid) for uid in uids]


async def _tap(
    whitelist: Whitelist, times: list[int], cards: int = sys.maxsize
) -> None:
    """Look a card up now and then, on the loop, as a tap does."""
    chance = random.Random(11)  # noqa: S311 - repeatable, no secret
    uids = [_uid(chance.randrange(_BEFORE)) for _ in range(_IDLE_LOOKUPS)]
    while len(times) < cards:
        times.append(_time(whitelist, uids[len(times) % len(uids)]))
        await asyncio.sleep(_A_CARD_EVERY_S)


def _time(whitelist: Whitelist, uid: Uid) -> int:
    begin = perf_counter_ns()
    found = whitelist.find(uid)
    taken = perf_counter_ns() - begin
    if not found:
        raise ValueError("a card that is listed was not found")
    return taken


def _uid(number: int) -> Uid:
    return Uid.parse(str(token(number)["uid"]))


def main(directory: str, size: str, versions_url: str, credentials_token: str) -> None:
    """Synchronise once and print what was measured, for `measure`."""
    run = _run(Path(directory), int(size), versions_url, credentials_token)
    with asyncio.Runner(loop_factory=StationLoop) as runner:
        print(msgspec.json.encode(runner.run(run)).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])

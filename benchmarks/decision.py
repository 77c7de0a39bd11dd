"""A locally known card against a bare primary-key SELECT, and bytes per token."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from time import perf_counter_ns
from typing import TYPE_CHECKING

from agent.domain.policy import Modes, decide
from agent.domain.uid import Uid
from benchmarks.lists import build_whitelist, domain_tokens
from benchmarks.verdicts import Verdict, percentile
from tests.pages_server import token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCKS = 40
_PER_BLOCK = 500  # The two take turns, so that a busy machine slows both
_MODES = Modes()


def measure(directory: Path, size: int) -> Iterator[Verdict]:
    """Compare at one size of list."""
    directory.mkdir()
    bare = _build_bare(directory / "bare.db", size)
    with closing(build_whitelist(directory, size)) as whitelist, closing(bare):
        chance = random.Random(7)  # noqa: S311 - repeatable, no secret
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(_BLOCKS):
            uids = [
                str(token(chance.randrange(size))["uid"]) for _ in range(_PER_BLOCK)
            ]
            for uid in uids:
                begin = perf_counter_ns()
                decide(whitelist.find(Uid.parse(uid))[0], None, _MODES)
                ours.append(perf_counter_ns() - begin)
            for uid in uids:
                begin = perf_counter_ns()
                bare.execute("SELECT * FROM bare WHERE uid = ?", (uid,)).fetchone()
                theirs.append(perf_counter_ns() - begin)
    for share, budget in ((0.5, 2.0), (0.99, 5.0)):
        own, other = percentile(ours, share), percentile(theirs, share)
        yield Verdict(
            f"decision / SELECT, p{share * 100:.0f}, {size:,} tokens",
            own / other,
            budget,
            "x",
            note=f"{own / 1000:.1f} us / {other / 1000:.1f} us",
        )
    on_disk = (directory / "whitelist.db").resolve().stat().st_size
    yield Verdict(f"on disk per token, {size:,} tokens", on_disk / size, 96, "bytes")


def _build_bare(path: Path, size: int) -> sqlite3.Connection:
    """The plainest table that could answer the same question."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE bare (uid TEXT PRIMARY KEY, party TEXT, contract_id TEXT, "
        "visual_number TEXT, issuer TEXT, valid INTEGER, whitelist TEXT, updated TEXT)"
    )
    for start in range(0, size, 10_000):
        connection.executemany(
            "INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    item.uid,
                    item.party_id,
                    item.contract_id,
                    item.visual_number,
                    item.issuer,
                    item.valid,
                    item.whitelist.value,
                    item.last_updated.isoformat(),
                )
                for item in domain_tokens(start, min(start + 10_000, size))
            ),
        )
    connection.commit()
    return connection

"""A large whitelist comes in while drivers tap and the power fails."""

from __future__ import annotations

import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e import cards
from tests.e2e.station import AgentProcess
from tests.e2e.tables import UPSTREAM
from tests.e2e.waiting import until
from tests.interop.extrawest import ExtrawestServer
from tests.pages_server import PagesServer, token

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

BIG: Final = 200_000
SMALL: Final = 8_000
OTHER: Final = 12_000
MEMORY_KIB: Final = 32 * 1024
SEED: Final = 20260102


@pytest.fixture(scope="module")
def small() -> Iterator[PagesServer]:
    """Serve a list of moderate length."""
    with PagesServer(SMALL) as server:
        yield server


@pytest.fixture(scope="module")
def other() -> Iterator[PagesServer]:
    """Serve a longer list."""
    with PagesServer(OTHER) as server:
        yield server


def local_agent(server: PagesServer) -> AgentProcess:
    """Make a station that decides by its whitelist alone and syncs when told to."""
    agent = AgentProcess(server, start=False)
    agent.tables["authorization"]["online"] = "local-only"
    agent.tables["upstream"][0]["authorize_unknown"] = False
    return agent


def revoked(limit: int) -> str:
    """Return the last card below `limit` that is listed as not valid."""
    numbers = (n for n in range(limit - 1, 0, -1) if n % 50 == 7)
    listed = (token(n) for n in numbers if n // 20 % 20 < 10)
    return str(next(listed)["uid"])


def knows(agent: AgentProcess, uid: str) -> bool:
    """Tell whether a revoked card is listed: its refusal changes nothing."""
    reason = agent.tap(uid)["reason"]
    assert reason in {"invalid", "unknown_token"}
    return bool(reason == "invalid")


class Crawl:
    """A whole synchronisation that was asked for, as far as it has come."""

    def __init__(self, agent: AgentProcess) -> None:
        self.steps: list[dict[str, Any]] = []
        self.result: list[dict[str, Any]] = []
        self._agent = agent
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_over(self) -> bool:
        """Whether it has ended, with or without a result."""
        return not self._thread.is_alive()

    def reach(self, tokens: int) -> int:
        """Wait until so many tokens were seen; return how many."""

        def seen() -> int | None:
            step = self.steps[-1]["seen"] if self.steps else 0
            return step if step >= tokens else None

        return until(seen, f"{tokens} tokens", within_s=90)

    def _run(self) -> None:
        try:
            self.result = self._agent.ask("sync", self.steps.append, full=True)
        except Exception:  # noqa: BLE001 - the daemon was killed under it
            return


def memory_kib(pid: int, field: str) -> int:
    """Read one field of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(field))
    return int(line.split()[1])


def test_taps_are_decided_while_a_big_list_comes_in_little_memory() -> None:
    """200 000 tokens; nobody waits, and most of it never is in memory at once."""
    with PagesServer(1000) as few, PagesServer(BIG) as many, local_agent(few) as agent:
        agent.start()
        agent.wait_for_whitelist(1000)
        agent.use(many)
        agent.restart()
        agent.wait_for_whitelist(1000)
        known, unknown = revoked(1000), revoked(BIG)
        assert knows(agent, known)
        assert not knows(agent, unknown)
        idle_kib = memory_kib(agent.pid, "VmRSS")
        crawl = Crawl(agent)
        latencies = []
        while not crawl.is_over():
            outcome = agent.tap(known)
            assert outcome["reason"] == "invalid"
            latencies.append(outcome["latency_ms"])
        assert crawl.result[0]["received"] == BIG
        assert len(latencies) > 20
        assert max(latencies) < 1000
        assert memory_kib(agent.pid, "VmHWM") - idle_kib < MEMORY_KIB
        assert knows(agent, unknown)
        agent.wait_for_whitelist(BIG)


def test_a_crawl_that_was_cut_goes_on_where_it_was(small: PagesServer) -> None:
    """The old list stays in force until the new one is whole."""
    half = OTHER // 2
    with PagesServer(OTHER, cut_at=half) as cutting, local_agent(small) as agent:
        agent.start()
        agent.wait_for_whitelist(SMALL)
        agent.use(cutting)
        agent.restart()
        until(lambda: staged(agent) >= half, "half of the list")
        agent.kill()
        assert rows_in_force(agent) == SMALL
        agent.start()
        agent.wait_for_whitelist(OTHER)
        assert f"goes on after {half} tokens" in agent.log()
        assert knows(agent, revoked(OTHER))


def test_killed_at_any_moment_there_is_one_whole_list(
    small: PagesServer, other: PagesServer
) -> None:
    """Kills ever closer to the moment when the lists change: the old or the new."""
    jitter = random.Random(SEED)  # noqa: S311 - no secret
    servers = {SMALL: small, OTHER: other}
    with local_agent(small) as agent:
        agent.start()
        agent.wait_for_whitelist(SMALL)
        in_force = SMALL
        swapped = True
        delay_s = 0.015
        for _ in range(8):
            target = OTHER if in_force == SMALL else SMALL
            if swapped:
                agent.use(servers[target])
                agent.restart()
            Crawl(agent).reach(target - 1000)
            threading.Event().wait(delay_s * jitter.uniform(0.8, 1.2))
            agent.kill()
            agent.start()
            in_force = agent.ask("status")["whitelist"][0]["tokens"]
            swapped = in_force == target
            assert in_force in servers
            assert knows(agent, revoked(SMALL))
            assert knows(agent, revoked(OTHER)) == (in_force == OTHER)
            # Later when it was too early for the change, else earlier.
            delay_s *= 0.6 if swapped else 1.8
        agent.use(servers[OTHER])
        agent.restart()
        crawl = Crawl(agent)
        until(crawl.is_over, "the last crawl", within_s=60)
        assert crawl.result[0]["received"] == OTHER
        agent.wait_for_whitelist(OTHER)
        # Nothing of the other lists is left behind.
        assert len(list(agent.state.glob("whitelist-*.db"))) == 1


def test_a_cut_crawl_is_not_finished_at_another_backend(
    emsp: ExtrawestServer, extrawest_python: Path
) -> None:
    """The installer changes the URL meanwhile: only the new backend's cards count."""
    with ExtrawestServer(extrawest_python, page_cap=1) as before:
        before.set_tokens([cards.token(cards.SHORT, "ALWAYS"), *cards.listed()[1:]])
        before.set_fault("delay", path="/tokens", seconds=0.5, times=None)
        with AgentProcess(before) as agent:
            until(lambda: staged(agent) >= 2, "two pages")
            agent.kill()
            before.stop()
            agent.use(emsp)
            agent.start()
            agent.wait_for_whitelist(len(cards.listed()))
            assert agent.tap(cards.ALWAYS)["decided_by"] == "whitelist"
            assert agent.tap(cards.ALWAYS)["outcome"] == "withdrawn"
            assert agent.tap(cards.SHORT)["decided_by"] == "realtime"


def staged(agent: AgentProcess) -> int:
    """Count the tokens that the crawl in progress has stored."""
    path = agent.state / f"whitelist-staged-{UPSTREAM}.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            return int(database.execute("SELECT seen FROM crawl").fetchone()[0])
        except (sqlite3.OperationalError, TypeError):
            return 0


def rows_in_force(agent: AgentProcess) -> int:
    """Count the tokens of the list that decides."""
    path = agent.state / "whitelist.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM tokens").fetchone()[0])

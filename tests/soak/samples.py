"""What a running daemon costs, sampled, and whether any of it grows."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.e2e.station import AgentProcess

#: A daemon that has just started is still growing into its work: of memory, half of
#: what it ever takes comes in the first minute, and the rest within ten.
WARM_S: Final = 240.0
#: Less than this is too short to tell a rise from noise.
FIT_S: Final = 300.0
_HOUR_S: Final = 3600.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ANSWER_S: Final = 5.0
_SHOWN_IN_S: Final = 1.0
_NUMBERS: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look; `life` counts the daemon's starts, `age_s` since that start."""

    at_s: float
    life: int
    age_s: float
    threads: int
    fds: int
    rss_kib: int
    cpu_s: float
    tasks: int
    objects: int
    journal_bytes: int
    wal_bytes: int
    log_lines: int
    outbox: int
    kinds: dict[str, int] = field(default_factory=dict)


#: What must not grow, and by how much per hour a line may rise in a run of 20 minutes
#: that is only noise, or a cache that fills.
LIMITS: Final = {"threads": 10.0, "fds": 30.0, "tasks": 30.0, "rss_kib": 20480.0}
SHOWN: Final = (*LIMITS, "objects", "cpu_s", "journal_bytes", "wal_bytes", "log_lines")


class Sampler:
    """Looks at the daemon of a station; `born` has to be called at each start."""

    def __init__(self, agent: AgentProcess, counts: Path) -> None:
        self.samples: list[Sample] = []
        self._agent = agent
        self._counts = counts
        self._began = time.monotonic()
        self._born_at = self._began
        self._life = 0

    def born(self) -> None:
        """Begin with a new process."""
        self._life += 1
        self._born_at = time.monotonic()

    def take(self) -> Sample:
        """Look once; the daemon runs."""
        pid, state = self._agent.pid, self._agent.state
        tasks, objects = self._ask_inside(pid)
        status = Path(f"/proc/{pid}/status").read_text()
        used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        kinds = descriptors(pid)
        now = time.monotonic()
        sample = Sample(
            at_s=now - self._began,
            life=self._life,
            age_s=now - self._born_at,
            threads=_field(status, "Threads"),
            fds=kinds.total(),
            rss_kib=_field(status, "VmRSS"),
            cpu_s=(int(used[11]) + int(used[12])) / _TICKS,
            tasks=tasks,
            objects=objects,
            journal_bytes=_size(state / "journal.db"),
            wal_bytes=_size(state / "journal.db-wal"),
            log_lines=self._agent.log().count("\n"),
            outbox=self._agent.ask("status")["outbox"]["waiting"],
            kinds=dict(kinds),
        )
        self.samples.append(sample)
        return sample

    def level(self, count: int = 5, every_s: float = 0.2) -> dict[str, float]:
        """Take some samples of a station at rest; return the medians."""
        taken = []
        for _ in range(count):
            taken.append(self.take())
            time.sleep(every_s)
        rows = [asdict(sample) for sample in taken]
        return {name: statistics.median(row[name] for row in rows) for name in SHOWN}

    def save(self, path: Path) -> None:
        """Write all samples, a line of JSON each."""
        lines = [json.dumps(asdict(sample)) for sample in self.samples]
        path.write_text("\n".join(lines) + "\n")

    def show_stacks(self) -> str:
        """Tell where every task of the daemon waits; for what went wrong."""
        if not self._agent.is_alive():
            return ""
        os.kill(self._agent.pid, signal.SIGUSR1)
        time.sleep(_SHOWN_IN_S)
        path = self._counts.with_suffix(".stacks")
        return path.read_text() if path.exists() else ""

    def _ask_inside(self, pid: int) -> tuple[int, int]:
        """Have the daemon count its tasks and objects."""
        self._counts.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR2)
        until(self._counts.exists, "the counts", within_s=_ANSWER_S)
        tasks, objects = self._counts.read_text().split()
        return int(tasks), int(objects)


def warm_time_s(samples: Iterable[Sample]) -> float:
    """Tell how long its lives were warm, all together."""
    ages_s: dict[int, float] = {}
    for sample in samples:
        ages_s[sample.life] = sample.age_s
    return sum(max(0.0, age_s - WARM_S) for age_s in ages_s.values())


def slope_per_hour(
    samples: Sequence[Sample], of: Callable[[Sample], float], warm_s: float = WARM_S
) -> float:
    """Fit one slope to all lives of the daemon, each with a level of its own.

    Samples of a process that is not yet warm are left out.
    """
    lives: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.age_s >= warm_s:
            lives.setdefault(sample.life, []).append(sample)
    above = below = 0.0
    for life in lives.values():
        middle_s = statistics.fmean(one.at_s for one in life)
        level = statistics.fmean(of(one) for one in life)
        above += sum((one.at_s - middle_s) * (of(one) - level) for one in life)
        below += sum((one.at_s - middle_s) ** 2 for one in life)
    return above / below * _HOUR_S if below else 0.0


def descriptors(pid: int) -> Counter[str]:
    """Count the open descriptors of a process by what they lead to."""
    kinds: Counter[str] = Counter()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)  # noqa: PTH115 - it is no path
        except OSError:
            continue  # Closed meanwhile.
        if target.startswith("/"):
            kinds["tty" if "/pts/" in target else Path(target).name] += 1
        else:
            kinds[_NUMBERS.sub("", target).strip(":[]")] += 1
    return kinds


def _field(status: str, name: str) -> int:
    (value,) = re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    return int(value)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

"""Walking through steps: do something, and wait for all that must come of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.demo.checks import Check, Finding, View
from agent.demo.station import StationDownError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from agent.demo.stage import Stage

WITHIN_S: Final = 10.0
# What nobody announces, such as an emptied outbox, is looked for so often.
_LOOK_AGAIN_S: Final = 0.05


class Step:
    """One thing that is done, and everything that must come of it."""

    def __init__(self, title: str, do: Callable[[Stage], None], *checks: Check) -> None:
        self.title = title
        self.do = do
        self.checks = checks


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a step: one finding for each of its checks."""

    step: Step
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything came that must."""
        return all(finding.ok for finding in self.findings)

    def pairs(self) -> Iterator[tuple[Check, Finding]]:
        """Each check with its finding."""
        return zip(self.step.checks, self.findings, strict=True)


class Guide:
    """Takes steps on a stage; `news` is set whenever there is something new to see."""

    def __init__(
        self, stage: Stage, news: threading.Event, within_s: float = WITHIN_S
    ) -> None:
        self._stage = stage
        self._news = news
        self._within_s = within_s

    def walk(
        self, steps: Iterable[Step], announce: Callable[[Step], None]
    ) -> Iterator[Result]:
        """Take every step, however those before went; `announce` comes before each."""
        for step in steps:
            announce(step)
            view = View(
                self._stage,
                first_event=len(self._stage.station.events),
                first_question=len(self._stage.memory.questions),
            )
            yield Result(step, self._take(step, view))

    def _take(self, step: Step, view: View) -> tuple[Finding, ...]:
        try:
            step.do(self._stage)
            return self._wait_for(step.checks, view)
        except StationDownError:
            down = Finding(ok=False, text="the agent is down")
            return (down,) * len(step.checks)

    def _wait_for(self, checks: Iterable[Check], view: View) -> tuple[Finding, ...]:
        """Look until everything is as it must be, or time is up."""
        deadline = time.monotonic() + self._within_s
        while True:
            self._news.clear()
            findings = tuple(check.look(view) for check in checks)
            if all(finding.ok for finding in findings) or time.monotonic() > deadline:
                return findings
            self._news.wait(_LOOK_AGAIN_S)

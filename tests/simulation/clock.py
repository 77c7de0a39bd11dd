"""The clocks of a machine without a clock battery, and what they really mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.domain.instant import Instant
    from agent.domain.sessions import Session

#: True time when the simulation begins; its loop's time counts from here.
BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A clock that never knew the time begins here.
_FIRST_DATE_S: Final = (datetime(2026, 1, 1, tzinfo=UTC) - BEGIN).total_seconds()
_KERNEL_STARTS_S: Final = 9.0  # From power to the first program of ours
#: The kernel stops believing its own clock so long after it last heard the time.
_BELIEVED_FOR_S: Final = 9 * 3600.0
_DRIFT: Final = 20e-6
_ALONE_AT_MOST_S: Final = 4 * 86400.0
#: Timekeeper.LOOK_AGAIN, and the time to write down what was learned.
_NOTICED_AFTER_S: Final = 8.0


@dataclass(eq=False, slots=True)
class Boot:
    """One boot, in true seconds: its monotonic clock stood at zero when it `began`."""

    boot_id: str
    began: float
    #: When a time server was first heard.
    synchronized_at: float | None = None
    #: When the agent can first have known it.
    learned_at: float | None = None


@dataclass(eq=False, slots=True)
class Step:
    """Somebody set the clock wrong, and somebody set it right."""

    since: float
    by_s: float
    until: float | None = None


@dataclass(eq=False)
class MachineClock:
    """What the kernel would say; `true` is the loop's time."""

    true: Callable[[], float]
    boots: list[Boot] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    #: When the last time server fell silent, None while one is heard.
    alone_since: float | None = None

    # ---- what the agent may see -----------------------------------------------------

    def now(self, tz: object = None) -> datetime:
        """Tell wall time, as `datetime.now` would."""
        del tz
        true = self.true()
        if self.boot.synchronized_at is None:
            return _EPOCH + timedelta(seconds=true - self.boot.began)
        return BEGIN + timedelta(seconds=true + self._error_s(true))

    def monotonic(self) -> timedelta:
        """Tell the time since boot."""
        return timedelta(seconds=self.true() - self.boot.began)

    def is_synchronized(self) -> bool:
        """Give the kernel's own opinion."""
        if self.boot.synchronized_at is None:
            return False
        return (
            self.alone_since is None or self.true() - self.alone_since < _BELIEVED_FOR_S
        )

    # ---- what happens to it ---------------------------------------------------------

    @property
    def boot(self) -> Boot:
        """The present boot."""
        return self.boots[-1]

    def start(self) -> Boot:
        """Switch the machine on; it has forgotten the time."""
        began = self.true() - _KERNEL_STARTS_S
        self.boots.append(Boot(f"boot-{len(self.boots) + 1}", began))
        return self.boot

    def synchronize(self) -> None:
        """Hear a time server."""
        self.alone_since = None
        if self.boot.synchronized_at is None:
            self.boot.synchronized_at = self.true()

    def lose_time_server(self) -> None:
        """Go on alone."""
        if self.alone_since is None:
            self.alone_since = self.true()

    def set_wrong(self, by_s: float) -> None:
        """Let somebody set the clock."""
        self.set_right()
        self.steps.append(Step(self.true(), by_s))

    def set_right(self) -> None:
        """Let somebody set it right again."""
        if self.steps and self.steps[-1].until is None:
            self.steps[-1].until = self.true()

    def _error_s(self, true: float) -> float:
        drift = 0.0 if self.alone_since is None else _DRIFT * (true - self.alone_since)
        step = self.steps[-1] if self.steps else None
        return drift + (step.by_s if step and step.until is None else 0.0)

    # ---- what is really true --------------------------------------------------------

    def truth_of(self, moment: Instant) -> float:
        """Say when a moment really was, by the monotonic clock of its boot."""
        return self._boot_of(moment).began + moment.monotonic.total_seconds()

    def note_agent(self) -> None:
        """Note that the agent has been running for a while by now."""
        boot, now = self.boot, self.true()
        if boot.synchronized_at is not None and boot.learned_at is None:
            boot.learned_at = now

    def is_known(self, moment: Instant, told_at: float) -> bool:
        """Whether a moment could be dated when it was last told."""
        boot = self._boot_of(moment)
        if boot.synchronized_at is None:
            return False
        if self.truth_of(moment) >= boot.synchronized_at:
            return True
        return boot.learned_at is not None and boot.learned_at <= told_at

    def _boot_of(self, moment: Instant) -> Boot:
        return next(boot for boot in self.boots if boot.boot_id == moment.boot_id)

    def could_wait(self, session: Session) -> bool:
        """Whether a time is told that the present boot may still get to know."""
        moments = [session.started_at, session.updated_at, session.ended_at]
        return self.boot.synchronized_at is None and any(
            moment is not None and moment.boot_id == self.boot.boot_id
            for moment in moments
        )

    def last_known_before(self, moment: Instant) -> float:
        """Say when the time was last known before the boot of a moment."""
        known = _FIRST_DATE_S
        for boot in self.boots:
            if boot.boot_id == moment.boot_id:
                break
            known = max(known, boot.learned_at or known)
        return known

    def worst_error_s(self, since: float, until: float) -> float:
        """Say how wrong a synchronized clock has been at most in this time."""
        steps = (
            abs(step.by_s)
            for step in self.steps
            if step.since <= until and (step.until is None or step.until >= since)
        )
        return _DRIFT * _ALONE_AT_MOST_S + max(steps, default=0.0)


def wire_seconds(text: str) -> float:
    """Read a date as OCPI writes it, in the world's seconds."""
    return (datetime.fromisoformat(text) - BEGIN).total_seconds()

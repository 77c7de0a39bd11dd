"""A driver to be measured, and how it is started for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks.drivers.openers import address_of, run
from benchmarks.drivers.process import DriverProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.drivers.peers import Stamp

    #: Measures how many milliseconds one event took, or some at once.
    Sample = Callable[[DriverProcess, int], list[float]]

NS_PER_MS: Final = 1e6


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A driver with its other end at hand.

    `options` make it as it is by default; with those of `busy` it looks more often and
    forgets cards sooner, for rounds of `samples` calls of `sample`. `ready`: what it
    tells first; `on_ready` is called then. `path`: from where to where `sample`
    measures. `idles`: what it does when nothing happens.
    """

    what: str
    driver: type[Any] | None = None
    opener: Callable[..., Any] = run
    options: dict[str, Any] = field(default_factory=dict)
    busy: dict[str, Any] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    ready: str
    on_ready: Callable[[], None] = lambda: None
    idles: str = "sleeps"
    sample: Sample | None = None
    samples: int = 100
    path: str = "byte to event"
    note: str = ""

    def start(self, *, busy: bool) -> DriverProcess:
        """Make its process."""
        options = self.options | (self.busy if busy else {})
        if self.driver is not None:
            options["driver"] = address_of(self.driver)
        return DriverProcess(address_of(self.opener), options, self.pass_fds)


def after(stamp: Stamp, cause: Callable[[int], object], *kinds: str) -> Sample:
    """Measure events of these kinds, one at a time.

    `cause` has the other end say something; `stamp` tells when it did.
    """

    def sample(process: DriverProcess, number: int) -> list[float]:
        cause(number)
        event = process.wait_for(*kinds)
        return [(event.at_ns - stamp.at_ns) / NS_PER_MS]

    return sample

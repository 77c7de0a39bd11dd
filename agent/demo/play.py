"""The demo from its first line to its last."""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from agent.demo.guide import WITHIN_S, Guide
from agent.demo.prompt import Prompt
from agent.demo.screen import Screen
from agent.demo.stage import set_stage
from agent.demo.station import StationDownError
from agent.demo.tour import TOUR
from agent.demo.voices import describe_event, describe_heard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.demo.guide import Step
    from agent.demo.memory import Heard

_YOUR_TURN: Final = """
Now it is your turn: try plug, then tap ada; help lists the rest.
In another terminal, the real commands work as well:
  rfid-agent status --config {config}
"""


def play(
    *, once: bool, steps: Sequence[Step] = TOUR, within_s: float = WITHIN_S
) -> int:
    """Walk the tour, then obey a person unless `once`; 0 if all was as it must be.

    Whatever ends it, nothing is left running and no file behind.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return _play(Screen(), steps, within_s, once=once)
    except KeyboardInterrupt:
        return 1


def _play(screen: Screen, steps: Sequence[Step], within_s: float, *, once: bool) -> int:
    news = threading.Event()

    def hear_agent(event: dict[str, Any] | None) -> None:
        if event is None:
            screen.say("agent", "has ended; Enter shows its last words")
        elif text := describe_event(event):
            screen.say("agent", text)
        news.set()

    def hear_backend(heard: Heard) -> None:
        screen.say("backend", describe_heard(heard))
        news.set()

    with set_stage(hear_agent, hear_backend) as stage:
        guide = Guide(stage, news, within_s)
        results = list(screen.follow(partial(guide.walk, steps)))
        screen.print_results(results)
        if stage.station.has_ended:
            raise StationDownError(stage.station.last_words())
        if not once:
            screen.note(_YOUR_TURN.format(config=stage.station.config))
            Prompt(stage, screen).run()
    return 0 if all(result.ok for result in results) else 1

"""The daemon with a reader on a serial line: a real terminal, a card's real bytes."""

from __future__ import annotations

import json
import os
import subprocess
import time
import tty
from typing import TYPE_CHECKING

import pytest

from drivers.readers.formats import em4100
from tests.e2e.process import COMMAND
from tests.e2e.reports import the_session
from tests.e2e.station import AgentProcess
from tests.e2e.tables import READER
from tests.interop.environment import PROJECT_ROOT
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

READER_PART = f"reader {READER}"
CARD = bytes.fromhex("1362E3086C")
BACKWARDS = CARD[::-1].hex().upper()
_SILENCE_S = 0.3  # What begins in the middle of something else is no card


class Line:
    """A terminal whose other end the daemon opens as its reader."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        self.path = os.ttyname(self._slave)

    def show(self, card: bytes) -> None:
        """Send what an RDM6300 sends for a card."""
        time.sleep(_SILENCE_S)
        os.write(self._master, em4100.build(card, em4100.ETX))

    def close(self) -> None:
        """Unplug it."""
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def line() -> Iterator[Line]:
    """Plug a reader in."""
    plugged = Line()
    yield plugged
    plugged.close()


def reader(line: Line, **more: object) -> dict[str, object]:
    """Configure it; a card has left before Line.show() shows it again."""
    table = {"name": READER, "driver": "serial", "port": line.path, **more}
    return table | {"held_for": "200ms"}


def test_a_card_on_a_serial_line_charges_and_stops(
    emsp: ExtrawestServer, line: Line
) -> None:
    """From the card's bytes to the session at the backend, and on to its stop."""
    emsp.set_tokens([make_token(CARD.hex().upper(), whitelist="ALWAYS")])
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["reader"] = [reader(line, format="rdm6300")]
        agent.cards.add(CARD.hex().upper())
        agent.start()
        agent.wait_for_whitelist(1)
        agent.plug()
        agent.wait_until_good(READER_PART)
        line.show(CARD)
        assert agent.outcome()["outcome"] == "started"
        agent.meter(2000)
        line.show(CARD)
        agent.events.expect(outcome="stopped")
        assert the_session(emsp)[-1]["kwh"] == 2.0


def test_identify_tells_what_to_configure_and_that_works(
    emsp: ExtrawestServer, line: Line
) -> None:
    """A reader that turns numbers around: the line that is shown puts it right."""
    emsp.set_tokens([make_token(BACKWARDS, whitelist="ALWAYS")])
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["reader"] = [reader(line, format="rdm6300")]
        agent.cards |= {CARD.hex().upper(), BACKWARDS}
        agent.start()
        agent.wait_for_whitelist(1)
        asking = subprocess.Popen(
            [*COMMAND, "readers", "identify", "--json", "--config", str(agent.config)],
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
        )
        agent.wait_until_good(READER_PART)
        # It may not listen yet, so the card is shown until somebody has seen it.
        while asking.poll() is None:
            line.show(CARD)
        said, _ = asking.communicate()
        rows = json.loads(said)["spellings"]
        (right,) = [row for row in rows if row["listed"]]
        assert right["configuration"] == "uid = { reverse = true }"

        agent.tables["reader"][0]["uid"] = {"reverse": True}
        agent.restart()
        agent.plug()
        agent.wait_until_good(READER_PART)
        line.show(CARD)
        agent.events.expect(outcome="started")

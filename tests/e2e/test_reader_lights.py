"""The daemon with a reader that has lights of its own: seen as the session goes."""

from __future__ import annotations

import os
import select
import threading
import tty
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.drivers.readers.modules import Twn4Emulator, mute
from tests.e2e import cards
from tests.e2e.station import AgentProcess
from tests.e2e.tables import READER
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.streams import Event
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

RED, GREEN, YELLOW = 1, 2, 4
INDICATOR = f"indicator {READER}"
#: Steady, so that a glance is enough.
PATTERNS: dict[str, Any] = {
    "ready": {"colours": ["green"]},
    "charging": {"colours": ["yellow"]},
    "error": {"colours": ["red", "yellow"]},
}


class Twn4OnPty:
    """A TWN4 at a lasting name, plugged in while the context lasts."""

    def __init__(self, link: Path) -> None:
        self.link = link

    def plug(self) -> None:
        """Plug in a device that knows nothing yet."""
        self.device = Twn4Emulator()
        #: What shone, from change to change, as bits.
        self.shone: list[int] = []
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.link.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        """Pull it out."""
        self.link.unlink()
        self._stopping.set()
        self._thread.join()
        os.close(self._slave)
        os.close(self._master)

    def shines(self) -> int:
        """Tell what shines now."""
        return self.device.high & self.device.outputs

    def wait_for(self, lamps: int) -> None:
        """Wait until just these lamps shine."""
        until(lambda: self.shines() == lamps, f"lamps {lamps}")

    def wait_until_seen(self, *wanted: int) -> None:
        """Wait until these have shone, in this order, since the last look."""

        def is_seen() -> bool:
            shone = iter(self.shone)
            return all(lamps in shone for lamps in wanted)

        until(is_seen, f"lamps {wanted} among {self.shone}")
        self.shone.clear()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.002)
            if not ready:
                continue
            with suppress(OSError):  # Nobody has the other end open
                for answer in self.device.hear(os.read(self._master, 4096)):
                    if self.shone[-1:] != [self.shines()]:
                        self.shone.append(self.shines())
                    os.write(self._master, answer)


@pytest.fixture
def twn4(tmp_path: Path) -> Iterator[Twn4OnPty]:
    """Plug a TWN4 in."""
    plugged = Twn4OnPty(tmp_path / "usb-OEM_RFID_Device-if00")
    plugged.plug()
    yield plugged
    plugged.unplug()


@contextmanager
def station(emsp: ExtrawestServer, twn4: Twn4OnPty) -> Iterator[AgentProcess]:
    """Run the daemon with that reader, synchronised, and ready for cards."""
    process = AgentProcess(emsp, start=False)
    process.tables["reader"] = [
        {
            "name": READER,
            "driver": "serial",
            "port": str(twn4.link),
            "format": "twn4",
            "poll_every": "20ms",
            "held_for": "200ms",
            "indicator": {"driver": "module", **PATTERNS},
        }
    ]
    with process as agent:
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        yield agent


def tap(agent: AgentProcess, twn4: Twn4OnPty, uid: str) -> Event:
    """Hold a card to the reader until the station has answered, and lift it."""
    agent.cards.add(uid)
    twn4.device.card = bytes.fromhex(uid)
    outcome = agent.outcome()
    twn4.device.card = b""
    return outcome


def test_lights_go_with_the_session(emsp: ExtrawestServer, twn4: Twn4OnPty) -> None:
    """Ready, seen, refused; seen, accepted, charging; and dark when it has ended."""
    with station(emsp, twn4) as agent:
        twn4.wait_until_seen(GREEN)
        emsp.set_tokens([cards.token(cards.ALWAYS, "ALWAYS", valid=False)])
        assert agent.cli("sync", "--accept-shrink").returncode == 0
        assert tap(agent, twn4, cards.ALWAYS)["outcome"] == "refused"
        twn4.wait_until_seen(RED | GREEN, RED, 0, RED, GREEN)
        # One of 600 ms in pieces, of which a busy machine may leave some out, and maybe
        # that of the flash before it. No other signal has a tone of more than 80 ms.
        pieces_ms = [on_ms for _, _, on_ms, _ in twn4.device.beeps]
        assert max(pieces_ms) > 80
        assert sum(pieces_ms) < 670
        emsp.set_tokens([cards.token(cards.ALWAYS, "ALWAYS")])
        assert agent.cli("sync").returncode == 0
        agent.plug()
        assert tap(agent, twn4, cards.ALWAYS)["outcome"] == "started"
        twn4.wait_until_seen(RED | GREEN, GREEN, YELLOW)
        agent.meter(2000)
        assert tap(agent, twn4, cards.ALWAYS)["outcome"] == "stopped"
        agent.unplug()
        twn4.wait_until_seen(RED | GREEN, GREEN)
        twn4.wait_for(GREEN)
        agent.terminate()
        assert twn4.shines() == 0
        # It was so from its first moment: the reader was waited for.
        assert f"{INDICATOR}: down" not in agent.log()


def test_a_reload_and_a_bad_plug(emsp: ExtrawestServer, twn4: Twn4OnPty) -> None:
    """What rests is shown again, in both cases by itself, and the reload is dark."""
    with station(emsp, twn4) as agent:
        twn4.wait_until_seen(GREEN)
        agent.reload()
        twn4.wait_until_seen(0, GREEN)
        agent.wait_until_ready()
        twn4.unplug()
        agent.expect_log(f"reader {READER}: down")
        twn4.plug()
        twn4.wait_for(GREEN)
        agent.wait_until_good(f"reader {READER}")
        agent.wait_until_good(INDICATOR)


def test_lights_that_fail_change_nothing(
    emsp: ExtrawestServer, twn4: Twn4OnPty
) -> None:
    """A mute panel is told of in the status; cards charge; then it is well again."""
    twn4.device.spoilt[b"\x04"] = mute
    with station(emsp, twn4) as agent:
        agent.expect_log(f"{INDICATOR}: down: the lights of the module")
        agent.plug()
        assert tap(agent, twn4, cards.ALWAYS)["outcome"] == "started"
        until(agent.is_energy_on, "energy")
        twn4.device.spoilt.clear()
        twn4.wait_for(YELLOW)
        agent.wait_until_good(INDICATOR)


def test_lights_that_there_are_not(emsp: ExtrawestServer, twn4: Twn4OnPty) -> None:
    """check-config names the table, the key, and what would do."""
    with station(emsp, twn4) as agent:
        table = agent.tables["reader"][0]
        table["format"] = "rdm6300"
        agent.write_config()
        checked = agent.cli("check-config")
        assert checked.returncode == 2
        said = checked.stdout + checked.stderr
        assert "[[reader]] number 1 indicator.driver: " in said
        assert "rdm6300" in said
        assert "twn4" in said
        table["format"] = "twn4"
        agent.write_config()
        assert agent.cli("check-config").returncode == 0
        assert (
            f"{INDICATOR.replace(' ', ' of ')} (module)" in agent.cli("doctor").stdout
        )

"""What `doctor` and `status` say of PC/SC readers, and lamps, that do not work."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.process import COMMAND
from tests.e2e.station import AgentProcess
from tests.e2e.tables import READER
from tests.e2e.waiting import PATIENCE_S, until
from tests.interop.environment import PROJECT_ROOT
from tests.stack.refusing_pcscd import RefusingPcscd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.extrawest import ExtrawestServer
    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack

READER_PART: Final = f"reader {READER}"
READER_LINE: Final = f"{READER_PART} (pcsc): "
LAMPS_LINE: Final = f"indicator of {READER} (acs): "


@pytest.fixture
def agent(emsp: ExtrawestServer) -> Iterator[AgentProcess]:
    """Configure a reader with lamps; the daemon does not run."""
    process = AgentProcess(emsp, start=False)
    lamps = {"driver": "acs", "model": "acr122u", "match": "Virtual PCD *"}
    process.tables["reader"] = [
        {"name": READER, "driver": "pcsc", "indicator": lamps | {"way": "apdu"}}
    ]
    with process:
        process.write_config()
        yield process


def diagnose(agent: AgentProcess) -> dict[str, list[str]]:
    """Run `doctor`; give its lines on the reader and on its lamps."""
    done = subprocess.run(
        [*COMMAND, "doctor", "--config", str(agent.config)],
        cwd=PROJECT_ROOT,
        check=False,
        capture_output=True,
        env=os.environ | agent.environment,
        text=True,
        timeout=PATIENCE_S,
    )
    lines = done.stdout.splitlines()
    return {
        what: [line.replace(what, "") for line in lines if what in line]
        for what in (READER_LINE, LAMPS_LINE)
    }


def test_doctor_names_the_cause_and_what_to_do(
    agent: AgentProcess, pcscd: Pcscd
) -> None:
    """Readers that work; no reader; no pcscd."""
    found = [f"ok   {slot.reader}" for slot in pcscd.slots]
    assert diagnose(agent) == {READER_LINE: found, LAMPS_LINE: found}
    pcscd.unplug()
    said = diagnose(agent)
    assert [line.partition(": ")[0] for line in said[READER_LINE]] == [
        "ok   pcscd",
        "BAD  PC/SC reader",
    ]
    for lines in said.values():
        assert "attached: nothing; plug it in, and install" in lines[-1]
    pcscd.stop()
    for lines in diagnose(agent).values():
        (line,) = lines
        assert line.startswith("BAD  pcscd: ")
        assert "pcscd is not running; start it with: systemctl start pcscd" in line


def test_a_refusal_is_named(agent: AgentProcess, tmp_path: Path) -> None:
    """By `doctor` and by the daemon, which runs on without its reader."""
    with RefusingPcscd(tmp_path / "pcscd.comm") as pcscd:
        agent.environment |= pcscd.environment
        for lines in diagnose(agent).values():
            (line,) = lines
            assert line.startswith("BAD  pcscd: ")
            assert "pcscd refuses this user; install 50-rfid-agent.rules" in line
        agent.start()

        def says() -> str:
            parts = {one["part"]: one for one in agent.ask("status")["parts"]}
            return str(parts.get(READER_PART, {}).get("detail"))

        until(lambda: "install 50-rfid-agent.rules" in says(), "the refusal")
        agent.plug()

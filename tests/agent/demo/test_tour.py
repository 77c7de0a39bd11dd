"""The demo as people run it: the whole tour, a tour that must fail, and by hand."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.demo.cards import CARDS
from agent.demo.guide import Guide
from agent.demo.stage import set_stage
from agent.demo.tour import TOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.stack

DEMO = (sys.executable, "-m", "agent.cli.main", "demo")
# A step of the offline part, taken while the backend can be reached.
BROKEN = """
import sys
from agent.demo.play import play
from agent.demo.tour import OFFLINE
sys.exit(play(once=True, steps=OFFLINE[1:2], within_s=1))
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Be $TMPDIR of the demo; short, and left empty."""
    with tempfile.TemporaryDirectory(prefix="t") as directory:
        yield Path(directory)
        assert list(Path(directory).iterdir()) == []


def run(temporary: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_step_is_as_it_must_be(temporary: Path) -> None:
    """`rfid-agent demo --once` prints a line for each step, all ok, and exits 0."""
    done = run(temporary, *DEMO, "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    *steps, total = done.stdout.splitlines()
    assert [line.split("\t")[0] for line in steps] == ["ok"] * len(TOUR)
    assert total == f"{len(TOUR)} steps, all as they must be"
    assert done.stderr == ""


def test_a_step_that_is_not_makes_it_fail(temporary: Path) -> None:
    """The table names what was expected and what came, and the exit code is 1."""
    done = run(temporary, sys.executable, "-c", BROKEN)
    assert done.returncode == 1, done.stdout + done.stderr
    step, missing, total = done.stdout.splitlines()
    assert step.startswith("FAILED\t1\tDora (NEVER) taps\tDora: granted")
    assert "expected Dora: refused (offline_not_permitted)" in missing
    assert total == "1 of 1 steps FAILED"


def test_no_card_number_reaches_the_agents_log() -> None:
    """Neither in the eMSP's spelling nor in ours."""
    with set_stage(lambda _: None, lambda _: None) as stage:
        results = list(
            Guide(stage, threading.Event()).walk(TOUR, announce=lambda _: None)
        )
        log = (stage.station.config.parent / "agent.log").read_text().casefold()
    assert all(result.ok for result in results)
    assert "session.stopped" in log
    assert [card.name for card in CARDS if card.uid.casefold() in log] == []


def test_after_the_tour_one_goes_on_by_hand(temporary: Path) -> None:
    """Commands work, both sides are heard, and the end of input ends it well."""
    typing, keyboard = pty.openpty()
    with subprocess.Popen(
        DEMO,
        env=os.environ | {"TMPDIR": str(temporary), "TERM": "dumb"},
        stdin=keyboard,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as demo:
        assert demo.stdout is not None
        os.close(keyboard)

        def read_until(text: str) -> None:
            assert any(text in line for line in demo.stdout or ()), text

        def type_line(line: str) -> None:
            os.write(typing, f"{line}\n".encode())

        read_until("Now it is your turn")
        type_line("plug")
        type_line("tap ada")
        read_until("Ada: session ACTIVE")
        type_line("cut")
        type_line("power")
        read_until("the agent is back")
        type_line("restore")
        type_line("nonsense")
        read_until("nonsense: no such command")
        type_line("unplug")
        read_until("Ada: session COMPLETED")
        type_line("sessions")
        read_until("Ada: session COMPLETED, 0.000 kWh after ACTIVE")
        type_line("quit")
        assert demo.wait() == 0
    os.close(typing)


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_a_missing_extra_is_named_with_its_remedy(library: str) -> None:
    """Without the libraries there is advice, and exit code 2."""
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from agent.cli.main import main; main(['demo'])"
    )
    done = run(Path(tempfile.gettempdir()), sys.executable, "-c", program)
    assert done.returncode == 2
    assert "pip install 'rfid-agent[web]'" in done.stderr
    assert "make demo" in done.stderr

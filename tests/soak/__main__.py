"""Soak: `python -m tests.soak [--minutes 20] [--seed 1] [--mix busy|rough]`.

It needs rights for a pcscd, which no other test has meanwhile. Log, samples and report
are kept in `--keep`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.soak.crowd import MIXES
from tests.soak.soak import Soak
from tests.stack.pcscd import why_unavailable


def main() -> int:
    """Soak, print what was measured and what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mix", choices=tuple(MIXES), default="rough")
    parser.add_argument("--keep", type=Path, help="a folder for log and samples")
    options = parser.parse_args()
    if reason := why_unavailable():
        parser.error(f"cannot soak here: {reason}")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    length = timedelta(minutes=options.minutes)
    verdict = Soak(folder, mix=options.mix, seed=options.seed, length=length).run()
    report = verdict.lines + [f"WRONG: {wrong}" for wrong in verdict.wrong]
    (folder / "report").write_text("\n".join(report) + "\n")
    sys.stdout.write("\n".join([*report, f"log and samples: {folder}", ""]))
    return bool(verdict.wrong)


if __name__ == "__main__":
    sys.exit(main())

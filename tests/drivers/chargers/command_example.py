"""The example program of docs/charger-command.md, and its charger of files."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "charger-command.md"


class ExampleCharger:
    """A folder with the program and, once it runs, the charger's files."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "evse"
        self._files.mkdir()
        program = folder / "evse.py"
        text = DOCUMENT.read_text(encoding="utf-8")
        (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        program.write_text(code)
        #: What runs it.
        self.command = [sys.executable, str(program), str(self._files)]

    @property
    def relay(self) -> str:
        """What the program has written: "1" for on, and nothing before it ran."""
        path = self._files / "relay"
        return path.read_text() if path.exists() else ""

    def put(self, name: str, value: object) -> None:
        """Write a file of the charger in one go."""
        new = self._files / f".{name}"
        new.write_text(f"{value}\n")
        new.replace(self._files / name)

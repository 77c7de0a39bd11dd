"""A look at an installer's program that does not run it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from drivers.findings import Finding

_ELF: Final = b"\x7fELF"
_ENV: Final = "env"  # Looks for its first argument that is no option
_FIRST_LINE_BYTES: Final = 256  # The kernel reads no more of it
ADVICE: Final = "a script begins with a line such as #!/usr/bin/env python3"


def check_program(name: str) -> Finding:
    """Tell what would keep this program from being run by us."""
    what = f"program {name}"
    path = shutil.which(name)
    if path is not None:
        return Finding(what, _problem_of(Path(path)))
    if os.path.exists(name):  # noqa: PTH110 - as which() sees it
        return Finding(what, f"cannot be run by us: chmod a+rx {name}")
    if name.startswith("/"):
        return Finding(what, "is not there: correct the path, or install it")
    return Finding(what, "is not there: give its whole path")


def _problem_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            first_line = file.read(_FIRST_LINE_BYTES).partition(b"\n")[0]
    except OSError:
        return ""  # It may be run all the same.
    if first_line.startswith(_ELF):
        return ""
    if not first_line.startswith(b"#!"):
        return f"is no program: {ADVICE}"
    if first_line.endswith(b"\r"):
        return f"has lines that end as on Windows: sed -i 's/\\r$//' {path}"
    words = first_line[2:].decode(errors="replace").split()
    if words and Path(words[0]).name == _ENV:
        words = [word for word in words[1:] if word[0] != "-" and "=" not in word]
    if words and shutil.which(words[0]) is None:
        return f"cannot be run: its first line names {words[0]}, which is not there"
    return ""

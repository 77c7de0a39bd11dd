"""What tests ask the kernel about processes."""

from __future__ import annotations

from pathlib import Path


def is_running(pid: int) -> bool:
    """Say whether a process runs, and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"

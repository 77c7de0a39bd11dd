"""A small valid configuration, and ways to spoil it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config import load_config

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config import Config

SECRET = "credentials-token-that-nobody-may-see"
GOOD = """\
[station]
country_code = "SE"
party_id = "ABC"
location_id = "LOC-1"
state_dir = "state"

[authorization]
deadline = "2s"

[reporting]

[[evse]]
uid = "SE*ABC*E1"
charger = { driver = "simulated", control = "e1.ctl", log = "e1.jsonl" }

[[evse]]
uid = "SE*ABC*E2"
charger = { driver = "simulated", control = "e2.ctl", log = "e2.jsonl" }

[[reader]]
name = "front"
driver = "pipe"
path = "front.cards"
indicator = { driver = "file", path = "front.signals" }

[[reader]]
name = "side"
evses = ["SE*ABC*E2"]
driver = "pipe"
path = "side.cards"

[[upstream]]
name = "cpo"
versions_url = "https://backend.example/ocpi/versions"
token = { file = "cpo.token" }

[[upstream]]
name = "hub"
versions_url = "https://hub.example/ocpi/versions"
token = { file = "hub.token" }
"""


def write(folder: Path, text: str = GOOD) -> Path:
    """Write the file and the secrets it speaks of."""
    for name in ("cpo.token", "hub.token"):
        if not (folder / name).exists():
            (folder / name).write_text(f"{SECRET}\n")
            (folder / name).chmod(0o600)
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str = GOOD) -> Config:
    """Write and read it."""
    return load_config(write(folder, text))


def spoil(*changes: tuple[str, str]) -> str:
    """Replace parts of the good file, each of them there."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def extend(text: str, **tables: str) -> str:
    """Put lines into tables: into the first of that name, or into a new one."""
    for table, lines in tables.items():
        for header in (f"[[{table}]]\n", f"[{table}]\n"):
            if header in text:
                text = text.replace(header, f"{header}{lines}\n", 1)
                break
        else:
            text = f"{text}\n[{table}]\n{lines}\n"
    return text

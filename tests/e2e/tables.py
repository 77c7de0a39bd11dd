"""Configuration files of the daemon under test, as tables that tests may change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.interop.extrawest import ExtrawestServer
from tests.pages_server import PagesServer
from tests.reference.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

Tables = dict[str, Any]

EVSE: Final = "SE*ABC*E1"
OTHER_EVSE: Final = "SE*ABC*E2"
READER: Final = "front"
UPSTREAM: Final = "cpo"
TOKEN_FILE: Final = "cpo.token"


def default_tables() -> Tables:
    """Configure one EVSE, one pipe reader, one upstream; no lockout between taps."""
    return {
        "station": {
            "country_code": "SE",
            "party_id": "ABC",
            "location_id": "LOC-1",
            "state_dir": "state",
        },
        "authorization": {"stop_lockout": "0s"},
        "reporting": {},
        # Nobody sets the clock of a machine for tests.
        "clock": {"max_wait": "0s"},
        "evse": [evse(EVSE, "e1")],
        "reader": [pipe_reader(READER)],
        "upstream": [
            {
                "name": UPSTREAM,
                "versions_url": "http://127.0.0.1:9/ocpi/versions",
                "token": {"file": TOKEN_FILE},
                "authorize_unknown": True,
            }
        ],
    }


def evse(uid: str, name: str) -> Tables:
    """Configure an EVSE with a simulated charger."""
    files = {"control": f"{name}.ctl", "log": f"{name}.jsonl"}
    # Tests set the register to what they like.
    return {
        "uid": uid,
        "max_power_w": 10**12,
        "charger": {"driver": "simulated", **files},
    }


def pipe_reader(name: str) -> Tables:
    """Configure a reader without hardware."""
    return {"name": name, "driver": "pipe", "path": f"{name}.cards"}


def pcsc_reader(name: str) -> Tables:
    """Configure whatever pcscd has."""
    return {"name": name, "driver": "pcsc"}


Backend = ExtrawestServer | PagesServer | Reference


def secret_of(server: Backend) -> str:
    """Return the token for the file: accepted for good, or good for registering."""
    if isinstance(server, PagesServer):
        return server.credentials_token
    if isinstance(server, Reference) and server.settings.provisioned_token is None:
        return server.invite()
    return server.token


def to_toml(tables: Mapping[str, Any]) -> str:
    """Write the tables as a file; lists become arrays of tables."""
    blocks = []
    for name, content in tables.items():
        is_list = isinstance(content, list)
        heading = f"[[{name}]]" if is_list else f"[{name}]"
        for table in content if is_list else [content]:
            lines = [f"{key} = {_value(value)}" for key, value in table.items()]
            blocks.append("\n".join([heading, *lines]))
    return "\n\n".join(blocks) + "\n"


def _value(value: object) -> str:
    if isinstance(value, dict):
        pairs = [f"{key} = {_value(inner)}" for key, inner in value.items()]
        return f"{{ {', '.join(pairs)} }}"
    # TOML writes texts, numbers, booleans and lists of them as JSON does.
    return json.dumps(value)

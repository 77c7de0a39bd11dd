"""extrawest_ocpi as an eMSP: OCPI 2.1.1 and 2.2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.process import HarnessError
from tests.interop.server import (
    AuthorizeOutcome,
    EmspServer,
    FaultKind,
    RecordedRequest,
)
from tests.interop.store import JsonObject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.interop.process import Repair

__all__ = [
    "AuthorizeOutcome",
    "ExtrawestServer",
    "FaultKind",
    "HarnessError",
    "JsonObject",
    "RecordedRequest",
]


class ExtrawestServer(EmspServer):
    """The server with the most versions; it checks the token and calls back."""

    program = "tests.interop.extrawest_app:app"

    def __init__(
        self,
        python: Path,
        *,
        versions: Sequence[str] = ("2.2.1",),
        trailing_slash: bool = True,
        upper_case: bool = False,
        page_cap: int = 0,
        repairs: Sequence[Repair] = (),
    ) -> None:
        super().__init__(
            python,
            versions=versions,
            page_cap=page_cap,
            repairs=repairs,
            settings={
                "PROTOCOL": "http",
                "ENVIRONMENT": "production",
                "TRAILING_SLASH": str(trailing_slash),
                "CI_STRING_LOWERCASE_PREFERENCE": str(not upper_case),
            },
        )

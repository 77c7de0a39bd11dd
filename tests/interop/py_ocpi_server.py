"""py_ocpi as an eMSP: OCPI 2.2.1 only, and rather loosely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.server import EmspServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.interop.process import Repair


class PyOcpiServer(EmspServer):
    """The server for tolerance tests; it never looks at the token by itself.

    It can advertise https only, so without `repair_urls` it needs a proxy with a
    certificate before it. With `refuses_strangers` the app does what the library
    foresees for unknown tokens on modules: HTTP 500.
    """

    program = "tests.interop.py_ocpi_app:app"

    def __init__(
        self,
        python: Path,
        *,
        page_cap: int = 0,
        repairs: Sequence[Repair] = ("repair_urls",),
        refuses_strangers: bool = False,
    ) -> None:
        super().__init__(
            python,
            page_cap=page_cap,
            repairs=repairs,
            settings={"INTEROP_REFUSES_STRANGERS": "1" if refuses_strangers else ""},
        )

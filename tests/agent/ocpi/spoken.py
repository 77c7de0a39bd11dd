"""A backend of one version, and a station that has all that any version needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.agent.ocpi import examples
from tests.agent.ocpi.peer import HOME, VERSIONS, Peer, connect, envelope
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from agent.domain.reports import Delivery, Report
    from agent.ocpi.connection import OcpiConnection

ALL = ("2.1.1", "2.2.1", "2.3.0")
ROLES = {"tokens": "SENDER", "sessions": "RECEIVER", "cdrs": "RECEIVER"}


class Spoken(Peer):
    """Offers one version, with these modules."""

    def __init__(
        self, version: str = "2.2.1", modules: tuple[str, ...] = tuple(ROLES)
    ) -> None:
        super().__init__()
        self.version = version
        offer = {"version": version, "url": f"{HOME}/ocpi/{version}"}
        self.routes["GET", VERSIONS] = envelope([offer])
        endpoints = [
            {"identifier": module, "url": HOME + self.path(module)}
            | ({} if version == "2.1.1" else {"role": ROLES[module]})
            for module in modules
        ]
        self.routes["GET", f"/ocpi/{version}"] = envelope(
            {"version": version, "endpoints": endpoints}
        )

    def path(self, module: str, *rest: str) -> str:
        """Say where it serves a module."""
        return "/".join((f"/ocpi/emsp/{self.version}/{module}", *rest))

    def connect(self, **changes: Any) -> OcpiConnection:  # noqa: ANN401 - Upstream's fields
        """Connect a station to it."""
        whole = {"station": examples.STATION, "their_party": examples.SOURCE.party}
        return connect(self, **whole | changes)


def raising(err: Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Fail below HTTP."""

    def reply(request: httpx.Request) -> httpx.Response:
        del request
        raise err

    return reply


def deliver(connection: OcpiConnection, *reports: Report) -> list[Delivery]:
    """Deliver reports, one after the other."""

    async def run() -> list[Delivery]:
        try:
            return [await connection.deliver(report) for report in reports]
        finally:
            await connection.close()

    return run_virtual(run())

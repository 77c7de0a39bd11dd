"""Versions, their details, and credentials (OCPI 2.2.1 versions, credentials)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.ocpi.server.answers import INVALID, Outcome, RequestError, encode
from agent.ocpi.server.ports import CredentialsRefusedError
from agent.ocpi.urls import join_url
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from agent.ocpi.server.visits import Visit

CREDENTIALS: Final = "credentials"
TOKENS: Final = "tokens"
SESSIONS: Final = "sessions"
CDRS: Final = "cdrs"

#: What is served, and in which role; that of credentials means nothing.
MODULES: Final = {
    CREDENTIALS: "SENDER",
    TOKENS: "RECEIVER",
    SESSIONS: "SENDER",
    CDRS: "SENDER",
}


class Registering:
    """Where everything is, and who may use it."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def versions(self, visit: Visit) -> Outcome:
        """List the versions that this backend may use."""
        visit.require("GET")
        listed = [
            {"version": version, "url": join_url(self._public_url, version)}
            for version in visit.peer.versions
        ]
        return Outcome(data=encode(listed))

    def details(self, visit: Visit) -> Outcome:
        """Say where the modules of a version are; 2.1.1 knows no roles."""
        visit.require("GET")
        endpoints = []
        for module, role in MODULES.items():
            endpoint = {"identifier": module}
            if SUPPORTED[visit.version].NAMES_PARTIES:
                endpoint["role"] = role
            endpoint["url"] = join_url(self._public_url, visit.version, module)
            endpoints.append(endpoint)
        return Outcome(data=encode({"version": visit.version, "endpoints": endpoints}))

    async def credentials(self, visit: Visit) -> Outcome:
        """Show ours, exchange both sides', or end it.

        Whoever is registered cannot register: POST is none of the methods.
        """
        visit.require("GET", "PUT", "DELETE")
        try:
            match visit.method:
                case "PUT":
                    return await self._replace(visit)
                case "DELETE":
                    await visit.peer.end()
                    return Outcome()
                case _:
                    ours = visit.peer.credentials()
                    return Outcome(data=visit.wire.encode_credentials(ours))
        except CredentialsRefusedError as err:
            raise RequestError(err.ocpi_status, str(err)) from err

    async def _replace(self, visit: Visit) -> Outcome:
        content = await visit.body.read_object()
        try:
            theirs = visit.wire.decode_credentials(content)
        except ValueError as err:
            raise RequestError(INVALID, str(err)) from err
        ours = await visit.peer.replace(theirs, visit.version)
        return Outcome(data=visit.wire.encode_credentials(ours))

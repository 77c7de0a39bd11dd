"""What the eMSP has heard of sessions and cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from tests.interop.extrawest import ExtrawestServer, JsonObject


def the_session(emsp: ExtrawestServer) -> list[JsonObject]:
    """Wait for the end of the only session; return all that was told of it.

    ACTIVE once or, after a restart, more often; COMPLETED once; energy never falls.
    """
    until(
        lambda: any("COMPLETED" in told for told in statuses(emsp)),
        "the end of a session",
        within_s=2 * PATIENCE_S,
    )
    (told,) = emsp.sessions().values()
    *before, last = [body["status"] for body in told]
    assert set(before) == {"ACTIVE"}
    assert last == "COMPLETED"
    energies = [body["kwh"] for body in told]
    assert energies == sorted(energies)
    assert {body["start_date_time"] for body in told} == {told[0]["start_date_time"]}
    return told


def statuses(emsp: ExtrawestServer) -> list[list[str]]:
    """Return the statuses that each session went through, oldest session first."""
    return [[body["status"] for body in told] for told in emsp.sessions().values()]


def asked_about(emsp: ExtrawestServer) -> list[str]:
    """Return the cards that the eMSP was asked to authorize, in order."""
    paths = [one.path for one in emsp.requests()]
    return [path.split("/")[-2].upper() for path in paths if "authorize" in path]

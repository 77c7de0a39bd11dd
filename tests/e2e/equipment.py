"""Charge points whose charger or reader is not a simulated one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.e2e import cards
from tests.e2e.station import AgentProcess
from tests.e2e.tables import READER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.interop.extrawest import ExtrawestServer


@contextmanager
def station_with(
    emsp: ExtrawestServer,
    *,
    charger: Mapping[str, Any] | None = None,
    reader: Mapping[str, Any] | None = None,
) -> Iterator[AgentProcess]:
    """Run the daemon on this charger, or with this reader only, synchronised."""
    with AgentProcess(emsp, start=False) as agent:
        if charger is not None:
            agent.tables["evse"][0]["charger"] = dict(charger)
        if reader is not None:
            agent.tables["reader"] = [{"name": READER, **reader}]
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        yield agent

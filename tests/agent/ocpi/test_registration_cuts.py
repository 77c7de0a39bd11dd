"""Power cuts and lost messages at any step of an exchange of credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.errors import CredentialsError, HandshakeError, TransientUpstreamError
from agent.ocpi.memory import State
from tests.agent.ocpi.partner import (
    Disk,
    Fate,
    Killed,
    Partner,
    Site,
    cut_after,
    cut_before,
)
from tests.agent.ocpi.peer import VERSIONS
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POST = ("POST", "/credentials")
PUT = ("PUT", "/credentials")
DELETE = ("DELETE", "/credentials")


def registered() -> Site:
    """Start a site that has registered."""
    site = Site(Partner(), Disk())
    run_virtual(site.registrar.register())
    return site


async def _repair(site: Site) -> None:
    """Do what the messages say, as the operators of both sides."""
    for _ in range(4):
        try:
            if site.state() is State.ROTATING:
                await site.registrar.rotate()
            elif site.state() is not State.REGISTERED:
                await site.registrar.register()
            if await site.works():
                return
        except (HandshakeError, CredentialsError) as err:
            site.words.append(str(err))
        site.invitation = site.partner.invite()
        await site.registrar.register(again=True)
    raise AssertionError("not repaired")


def _command(site: Site, name: str) -> Callable[[], Awaitable[object]]:
    commands: dict[str, Callable[[], Awaitable[object]]] = {
        "register": site.registrar.register,
        "rotate": site.registrar.rotate,
        "unregister": site.registrar.unregister,
    }
    return commands[name]


@pytest.mark.parametrize("command", ["register", "rotate", "unregister"])
def test_power_cuts(command: str) -> None:
    """Cut at any step: the next start is sound, and the messages lead to the end."""
    kills = 0
    for last in range(100):
        site = Site(Partner(), Disk()) if command == "register" else registered()
        site.partner.fate = site.disk.fate = Fate(last)
        try:
            run_virtual(_run(_command(site, command)))
        except Killed:
            kills += 1
        else:
            break
        site.partner.fate = site.disk.fate = Fate()
        site.start()
        if site.partner.token_for_us is not None and command == "rotate":
            assert site.lets_them_in(), last
        if command == "register" and site.partner.token_for_us is not None:
            assert site.guest.recognize(site.partner.token_for_us) is not None
        run_virtual(_repair(site))
        for words in site.words:
            assert "operator" in words or "check that it is the current one" in words
        site.start()
        assert run_virtual(site.works())
    assert kills >= 8


async def _run(command: Callable[[], Awaitable[object]]) -> None:
    await command()


@pytest.mark.parametrize("command", ["register", "rotate", "unregister"])
def test_lost_messages(command: str) -> None:
    """Any one request or answer is lost: the messages lead to the end as well."""
    ends = [("GET", VERSIONS), ("GET", "/2.3.0"), POST, PUT, DELETE]
    for end in ends:
        for mishap in (cut_before(), cut_after()):
            site = Site(Partner(), Disk()) if command == "register" else registered()
            site.partner.mishaps[end] = mishap
            try:
                run_virtual(_run(_command(site, command)))
            except (HandshakeError, TransientUpstreamError):
                site.partner.mishaps.clear()
                run_virtual(_repair(site))
            site.partner.mishaps.clear()
            if site.state() is not None:
                assert run_virtual(site.works())

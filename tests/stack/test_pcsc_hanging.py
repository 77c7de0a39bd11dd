"""The PC/SC driver on a real pcscd that hangs, and then goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.readers import pcsc_listing, pcsc_session, pcsc_watcher
from drivers.readers.base import ReaderDown, ReaderUp
from drivers.readers.pcsc_codes import HangingPcscdError
from drivers.readers.pcsc_listing import list_readers
from tests.stack.pcsc_bench import (
    UID,
    arrival,
    end_of_driver_threads,
    following,
    listen,
)
from tests.stack.virtual_card import VirtualCard

if TYPE_CHECKING:
    from tests.drivers.readers.listening import Events
    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack


def test_hanging_pcscd_is_told_of(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is down while pcscd hangs, and reads cards when it goes on."""
    monkeypatch.setattr(pcsc_watcher, "WAIT_S", 0.1)
    monkeypatch.setattr(pcsc_session, "SILENT_S", 0.5)
    monkeypatch.setattr(pcsc_session, "LOOK_S", 0.1)

    async def scenario(events: Events) -> None:
        pcscd.pause()
        down = await following(events)
        assert isinstance(down, ReaderDown)
        assert "systemctl restart pcscd" in down.reason
        pcscd.resume()
        assert isinstance(await following(events), ReaderUp)
        with VirtualCard(UID):
            assert (await arrival(events))[0] == UID

    listen(scenario)


def test_list_readers_of_a_hanging_pcscd(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks is not held up, and told what to do."""
    monkeypatch.setattr(pcsc_listing, "ANSWERS_WITHIN_S", 0.2)
    pcscd.pause()
    try:
        with pytest.raises(HangingPcscdError, match="systemctl restart pcscd"):
            list_readers()
    finally:
        pcscd.resume()
    assert end_of_driver_threads()

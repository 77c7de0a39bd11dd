"""The NFC reader on nfcpy's simulated field: two real frontends talk to each other."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from drivers.readers.base import CardArrived, CardLeft, ReaderUp
from drivers.readers.nfc import NfcConfig, NfcReader
from tests.stack.nfc_bench import UID, following, run
from tests.stack.nfc_udp_card import HOST, UdpCard, free_port, type_a, type_b

if TYPE_CHECKING:
    import nfc.clf

pytestmark = pytest.mark.stack

SHORT: Final = bytes.fromhex("9A5CE714")
PUPI: Final = bytes.fromhex("5A6B7C8D")


@pytest.mark.parametrize(
    ("target", "uid"),
    [(type_a(SHORT), SHORT), (type_a(UID), UID), (type_b(PUPI), PUPI)],
    ids=["4 bytes", "7 bytes", "type B"],
)
def test_a_card_comes_and_goes(target: nfc.clf.LocalTarget, uid: bytes) -> None:
    """The one frontend finds what the other one is, and misses it."""
    port = free_port()
    config = NfcConfig(
        device=f"udp:{HOST}:{port}",
        poll_every=timedelta(milliseconds=10),
        held_for=timedelta(milliseconds=100),
    )

    async def main() -> None:
        async with aclosing(NfcReader(config).events()) as events:
            with UdpCard(port, target):
                up = await following(events)
                assert isinstance(up, ReaderUp)
                assert up.device.endswith(f"{HOST}:{port}")
                arrived = await following(events)
                assert isinstance(arrived, CardArrived)
                # Whether in time to count as lying there is up to the two threads.
                assert arrived.uid == uid
            assert isinstance(await following(events), CardLeft)

    run(main())

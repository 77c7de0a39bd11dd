"""Escape commands: where a driver takes them, and drivers that do not."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from drivers.errors import TransientDeviceError, UnsupportedDeviceError
from drivers.indicators.acs_scard import FEATURE_CCID_ESC_COMMAND, find_feature
from drivers.indicators.base import Signal
from drivers.readers.pcsc_codes import Code
from tests.drivers.indicators.acs_bench import (
    LIBACSCCID,
    LIBCCID,
    STEADY,
    indicator_on,
    plugged,
    watch,
)
from tests.drivers.indicators.acs_readers import GREEN, RED, Acr122u
from tests.drivers.indicators.ported import ported
from tests.fakes.virtual_loop import run_virtual


@pytest.mark.parametrize("code", [LIBCCID, LIBACSCCID])
def test_the_driver_names_its_control_code(code: int) -> None:
    """Each reader's driver takes escapes elsewhere, and is asked where."""
    device = Acr122u()
    pyscard, _ = plugged(device=device, escapes_at=code)
    watch(indicator_on(pyscard, way="escape"), Signal.ERROR)
    assert device.states == [RED]


#: Ways in which drivers refuse: no list of what they can do, or no escapes in it.
REFUSALS: Final = (
    {"features": Code.SCARD_E_UNSUPPORTED_FEATURE},
    {"features": Code.SCARD_E_NOT_TRANSACTED},
    {"escapes_at": None},
)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("way", ["escape", "auto"])
def test_refused_escape_says_what_to_do(way: str, refusal: dict[str, Any]) -> None:
    """Whichever way a driver refuses, the error names the option and its file."""
    pyscard, reader = plugged(**refusal)
    indicator = indicator_on(pyscard, way=way)
    with pytest.raises(UnsupportedDeviceError, match="ifdDriverOptions to 0x0001") as e:
        watch(indicator, Signal.READY)
    assert "Info.plist" in str(e.value)
    assert "restart pcscd" in str(e.value)
    assert reader.ways == []
    assert (pyscard.open_contexts, pyscard.open_handles) == (0, {})


def test_refused_escape_is_not_tried_on_and_on() -> None:
    """A signal that met the refusal has no timer left that would meet it again."""
    pyscard, reader = plugged(escapes_at=None)

    async def main() -> None:
        async with ported(indicator_on(pyscard, way="escape").indicator) as port:
            port.show(Signal.LOCKED)
            await asyncio.sleep(1)
            reader.escapes_at = LIBCCID
            await asyncio.sleep(30)
            assert "ifdDriverOptions" in port.problem()
            assert reader.ways == []

    run_virtual(main())


@pytest.mark.parametrize("refusal", REFUSALS)
def test_auto_falls_back_to_the_card_and_returns(refusal: dict[str, Any]) -> None:
    """With a card a refusal does not matter; once allowed, escapes are found again."""
    pyscard, reader = plugged(card=True, **refusal)
    indicator = indicator_on(pyscard, ready=STEADY, locked=STEADY)

    async def main() -> None:
        await indicator.show(Signal.READY)
        await indicator.show(Signal.LOCKED)
        assert reader.ways == ["apdu", "apdu"]
        reader.escapes_at, reader.features = LIBCCID, 0
        await indicator.show(Signal.READY)
        assert reader.ways[2:] == ["escape"]

    run_virtual(main())


@pytest.mark.parametrize("step", ["features", "escape"])
def test_a_broken_line_is_no_refusal(step: str) -> None:
    """A reader that fails is tried again, and nobody is told to allow anything."""
    code = {"features": Code.SCARD_F_COMM_ERROR, "escape": Code.SCARD_E_NOT_TRANSACTED}
    device = Acr122u()
    pyscard, reader = plugged(device=device, **{step: code[step]})
    screen = indicator_on(pyscard, ready=STEADY)

    async def main() -> None:
        with pytest.raises(TransientDeviceError):
            await screen.show(Signal.READY)
        async with ported(screen.indicator) as port:
            port.show(Signal.READY)
            await asyncio.sleep(0.1)
            assert "ifdDriverOptions" not in port.problem()
            setattr(reader, step, 0)
            await asyncio.sleep(2.1)
            assert port.problem() == ""
            assert device.leds == GREEN

    run_virtual(main())


def test_a_reader_that_takes_no_escapes_is_told_through_a_card() -> None:
    """Its driver offers them in vain; without a card that is an error."""
    device = Acr122u()
    pyscard, reader = plugged(
        device=device, card=True, escape=Code.SCARD_E_NOT_TRANSACTED
    )
    indicator = indicator_on(pyscard)
    watch(indicator, Signal.ERROR)
    assert (device.states, reader.ways) == ([RED], ["apdu"])
    reader.card = False
    with pytest.raises(TransientDeviceError, match="broke off"):
        watch(indicator_on(pyscard), Signal.ERROR)


@pytest.mark.parametrize(
    ("features", "code"),
    [
        ("13 04 42 00 00 01", 0x42000001),
        ("06 04 42 33 00 06 13 04 42 00 0D AC", 0x42000DAC),
        ("80 00 13 04 42 00 00 01", 0x42000001),
        ("06 04 13 04 42 00", None),
        ("13 04 42 00 00", None),
        ("13", None),
        ("", None),
    ],
)
def test_features(features: str, code: int | None) -> None:
    """A feature is found by its tag, behind others; what is cut off names nothing."""
    assert find_feature(bytes.fromhex(features), FEATURE_CCID_ESC_COMMAND) == code

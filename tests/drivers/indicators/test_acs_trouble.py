"""ACS readers that fail, are away or busy, and come back; and their end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import pytest

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.indicators.base import Signal
from drivers.indicators.patterns import Colour, Pattern
from drivers.readers.pcsc_codes import Code
from tests.drivers.indicators.acs_bench import (
    READER,
    STEADY,
    FakePyscard,
    Plugged,
    indicator_on,
    plugged,
    watch,
)
from tests.drivers.indicators.acs_readers import (
    GREEN,
    RED,
    Acr122u,
    Acr1252u,
)
from tests.drivers.indicators.ported import ported
from tests.fakes.virtual_loop import StandstillError, run_virtual

MODELS: Final = {"acr122u": Acr122u, "acr1252u": Acr1252u}
FAST: Final = timedelta(milliseconds=100)
BLINKING: Final = Pattern(
    colours=(Colour.RED,),
    on=timedelta(milliseconds=300),
    off=timedelta(milliseconds=700),
)


def test_it_gives_way_to_another_program() -> None:
    """A reader that somebody has for himself is left alone; the light comes later."""
    device = Acr122u()
    pyscard, reader = plugged(device=device, connect=Code.SCARD_E_SHARING_VIOLATION)
    indicator = indicator_on(pyscard, error=STEADY)

    async def main() -> None:
        await indicator.show(Signal.REFUSED)
        await indicator.show(Signal.ERROR)
        assert device.states == []
        reader.connect = Code.SCARD_S_SUCCESS
        await asyncio.sleep(2.1)

    run_virtual(main())
    assert device.states == [GREEN]
    assert device.beeps == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.SCARD_E_READER_UNAVAILABLE, TransientDeviceError),
        (Code.SCARD_E_UNKNOWN_READER, TransientDeviceError),
        (Code.SCARD_W_SECURITY_VIOLATION, AccessDeniedError),
    ],
)
def test_failures_are_named(code: Code, kind: type[DriverError]) -> None:
    """A failed connection is the error whose class says whether to try again."""
    pyscard, _ = plugged(connect=code)
    with pytest.raises(kind):
        watch(indicator_on(pyscard), Signal.READY)
    assert (pyscard.open_contexts, pyscard.open_handles) == (0, {})


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        ("63 00", TransientDeviceError, "failed"),
        ("6D 00", UnsupportedDeviceError, "got 6D 00"),
        ("", TransientDeviceError, "does not answer"),
        ("90", UnsupportedDeviceError, "got 90"),
        ("04 A1 B2 C3 D4 E5 F6 90 00", UnsupportedDeviceError, "got 9 bytes"),
    ],
)
@pytest.mark.parametrize("model", MODELS)
def test_wrong_answers(
    model: str, answer: str, kind: type[DriverError], text: str
) -> None:
    """Each wrong answer is an error, and never shows what could be a card number."""
    pyscard, _ = plugged(device=MODELS[model](), answers=[bytes.fromhex(answer)])
    if model == "acr1252u" and answer == "63 00":
        kind, text = UnsupportedDeviceError, "got 63 00"
    with pytest.raises(kind, match=text) as caught:
        watch(indicator_on(pyscard, model=model, way="escape"), Signal.READY)
    assert "B2" not in str(caught.value)


def test_a_card_torn_away_is_no_failure() -> None:
    """No bytes through a card mean that it left; the light is left out."""
    device = Acr122u()
    pyscard, _ = plugged(device=device, card=True, answers=[b""])
    watch(indicator_on(pyscard, way="apdu"), Signal.ACCEPTED, 2)
    assert device.states == []


def test_a_reader_that_comes_back_shows_the_signal() -> None:
    """Unplugged is an error that names what is attached; plugged in, it catches up."""
    device = Acr122u()
    pyscard, reader = plugged(device=device)
    pyscard.readers = {"Other 00 00": reader}
    screen = indicator_on(pyscard, ready=STEADY)

    async def main() -> None:
        with pytest.raises(DeviceGoneError, match=r"'ACS \*'; attached: Other 00 00"):
            await screen.show(Signal.READY)
        async with ported(screen.indicator) as port:
            port.show(Signal.READY)
            await asyncio.sleep(0.1)
            assert "attached: Other 00 00" in port.problem()
            pyscard.readers = {READER: reader}
            await asyncio.sleep(2)
            assert port.problem() == ""
            assert device.leds == GREEN

    run_virtual(main())


def test_pcscd_that_comes_back() -> None:
    """Without pcscd the error says what to start; then the light catches up."""
    device = Acr122u()
    pyscard, _ = plugged(device=device)
    pyscard.establish = Code.SCARD_E_NO_SERVICE

    async def main() -> None:
        async with ported(indicator_on(pyscard, ready=STEADY).indicator) as port:
            port.show(Signal.READY)
            await asyncio.sleep(0.1)
            assert "systemctl start pcscd" in port.problem()
            pyscard.establish = Code.SCARD_S_SUCCESS
            await asyncio.sleep(2)
            assert port.problem() == ""
            assert device.leds == GREEN

    run_virtual(main())


def test_what_is_away_is_not_looked_for_at_each_blink() -> None:
    """However fast the pattern, so that a night without pcscd costs next to nothing."""
    pyscard, _ = plugged()
    pyscard.establish = Code.SCARD_E_NO_SERVICE
    fast = Pattern(colours=(Colour.RED,), on=FAST)

    async def main() -> None:
        async with ported(indicator_on(pyscard, ready=fast).indicator) as port:
            port.show(Signal.READY)
            await asyncio.sleep(60)
            assert 4 < pyscard.tries < 10

    run_virtual(main())


@pytest.mark.parametrize("pattern", [STEADY, BLINKING])
def test_the_failure_of_a_moment_is_none(pattern: Pattern) -> None:
    """The light is put again after 2 s; only the third failure in a row is told."""
    device = Acr122u()
    pyscard, reader = plugged(device=device)
    screen = indicator_on(pyscard, ready=pattern)

    async def main() -> None:
        await screen.show(Signal.READY)
        for _ in range(3):
            reader.connect = Code.SCARD_F_COMM_ERROR
            await asyncio.sleep(4)
            reader.connect = Code.SCARD_S_SUCCESS
            seen = screen.seen
            await asyncio.sleep(4.1)
            assert screen.seen > seen
        reader.connect = Code.SCARD_F_COMM_ERROR
        tries = pyscard.tries
        await asyncio.sleep(8.1)
        assert isinstance(screen.failure, TransientDeviceError)
        # By escape, and then through a card, after each list of readers.
        assert pyscard.tries == tries + 3 * 3

    run_virtual(main())


def test_a_right_that_was_taken_away_is_told_at_once() -> None:
    """It may be given back: the signal is shown again then."""
    device = Acr122u()
    pyscard, reader = plugged(device=device)

    async def main() -> None:
        async with ported(indicator_on(pyscard, ready=STEADY).indicator) as port:
            port.show(Signal.READY)
            await asyncio.sleep(1)
            assert port.problem() == ""
            reader.connect = Code.SCARD_W_SECURITY_VIOLATION
            device.light(RED)
            await asyncio.sleep(1.1)
            assert port.problem() != ""
            reader.connect = Code.SCARD_S_SUCCESS
            await asyncio.sleep(3)
            assert port.problem() == ""
            assert device.leds == GREEN

    run_virtual(main())


def test_a_light_that_fails_ends_the_tones() -> None:
    """What is put again after a failure does not beep, long after its signal began."""
    device = Acr122u()
    pyscard, reader = plugged(device=device)
    tone = Pattern(colours=(Colour.RED,), on=FAST, tone=timedelta(seconds=5))
    screen = indicator_on(pyscard, refused=tone)

    async def main() -> None:
        await screen.show(Signal.REFUSED)
        await asyncio.sleep(0.5)
        beeps = len(device.beeps)
        reader.connect = Code.SCARD_F_COMM_ERROR
        await asyncio.sleep(0.3)
        reader.connect = Code.SCARD_S_SUCCESS
        await asyncio.sleep(5)
        assert len(device.beeps) == beeps
        assert screen.failure is None

    run_virtual(main())


def test_one_failing_reader_does_not_darken_the_others() -> None:
    """All that match show the signal, and the failure is still told."""
    device = Acr122u()
    good, bad = Plugged(device), Plugged(Acr122u(), connect=Code.SCARD_F_COMM_ERROR)
    pyscard = FakePyscard({"ACS A 00 00": bad, "ACS B 01 00": good})
    with pytest.raises(TransientDeviceError):
        watch(indicator_on(pyscard), Signal.ERROR)
    assert device.states == [RED]


def test_close_leaves_it_dark() -> None:
    """After closing nothing shines and no timer runs, and a missing reader is fine."""
    device = Acr122u()
    pyscard, reader = plugged(device=device)
    indicator = indicator_on(pyscard)

    async def main() -> None:
        await indicator.show(Signal.LOCKED)
        await indicator.close()
        told = len(reader.ways)
        await asyncio.sleep(30)
        assert (device.leds, len(reader.ways)) == (0, told)
        pyscard.readers = {}
        await indicator.close()

    run_virtual(main())


def test_closing_a_signal_leaves_its_lamps() -> None:
    """Nothing is planned any more."""
    device = Acr122u()
    pyscard, _ = plugged(device=device)
    screen = indicator_on(pyscard)

    async def main() -> None:
        await screen.show(Signal.REFUSED)
        await screen.stop()
        assert device.leds == RED
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="no timer is set"):
        run_virtual(main())

"""LEDs and buzzers of ACS readers, over readers that are only objects."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from drivers.errors import (
    DeviceGoneError,
)
from drivers.indicators.base import Signal
from drivers.indicators.patterns import Colour, Pattern
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
    UNKNOWN,
    Acr122u,
    Acr1252u,
)
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from tests.drivers.indicators.acs_readers import AcsReader

BOTH: Final = RED | GREEN
FIRST_LIGHT: Final = {
    Signal.READY: GREEN,
    Signal.READING: BOTH,
    Signal.CHECKING: BOTH,
    Signal.ACCEPTED: GREEN,
    Signal.REFUSED: RED,
    Signal.CHARGING: GREEN,
    Signal.LOCKED: BOTH,
    Signal.ERROR: RED,
}
MODELS: Final = {"acr122u": Acr122u, "acr1252u": Acr1252u}
#: The ACR1252U's SAM slot shares its LEDs with the other.
SAM_SLOT: Final = "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader SAM] 01 00"
PICC_SLOT: Final = "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader PICC] 00 00"

FAST: Final = timedelta(milliseconds=100)
BLINKING: Final = Pattern(
    colours=(Colour.RED,),
    on=timedelta(milliseconds=300),
    off=timedelta(milliseconds=700),
)


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("way", ["apdu", "escape", "auto"])
def test_every_signal_on_every_model(model: str, way: str, signal: Signal) -> None:
    """Its colour is there when `show` returns, and comes the configured way."""
    device = MODELS[model]()
    pyscard, reader = plugged(device=device, card=True)
    watch(indicator_on(pyscard, model=model, way=way), signal)
    assert device.states[0] == FIRST_LIGHT[signal]
    assert set(reader.ways) == {"escape" if way == "auto" else way}
    assert (pyscard.open_contexts, pyscard.open_handles) == (0, {})


def glimpses(device: AcsReader, model: str, signal: Signal) -> list[int]:
    """Look at the LEDs every 50 ms for 3 s; last is the sum of all beeps."""
    pyscard, _ = plugged(device=device)
    indicator = indicator_on(pyscard, model=model)

    async def main() -> list[int]:
        await indicator.show(signal)
        seen = []
        for _ in range(60):
            await asyncio.sleep(0.05)
            seen.append(device.leds)
        return [*seen, sum(device.beeps)]

    return run_virtual(main())


@pytest.mark.parametrize("model", MODELS)
def test_signals_can_be_told_apart(model: str) -> None:
    """Without a card, no two of the eight look and sound alike."""
    seen = {tuple(glimpses(MODELS[model](), model, signal)) for signal in Signal}
    assert len(seen) == len(Signal)


def test_a_card_is_acknowledged_at_once() -> None:
    """Reading is seen and heard before anything is decided; the ACR122U rounds up."""
    pyscard, reader = plugged()
    watch(indicator_on(pyscard), Signal.READING, seconds=0.1)
    assert reader.device.leds == BOTH
    assert reader.device.beeps == [100]


def test_blinking_and_rest() -> None:
    """A blinking light follows its times; the next signal ends it at once."""
    device = Acr122u()
    pyscard, _ = plugged(device=device)
    indicator = indicator_on(pyscard, locked=BLINKING, ready=STEADY)

    async def main() -> None:
        await indicator.show(Signal.LOCKED)
        await asyncio.sleep(0.25)
        for second in range(3):
            assert device.leds == RED, second
            await asyncio.sleep(0.1)
            assert device.leds == 0, second
            await asyncio.sleep(0.9)
        await indicator.show(Signal.READY)
        await asyncio.sleep(10)

    run_virtual(main())
    assert device.states == [RED, 0] * 3 + [RED, GREEN]


def test_a_tone_leaves_gaps_for_cards() -> None:
    """The ACR122U is never deaf for longer than 200 ms, however long the tone."""
    device = Acr122u()
    pyscard, _ = plugged(device=device)
    tone = Pattern(tone=timedelta(milliseconds=500), tones=2)
    watch(indicator_on(pyscard, refused=tone), Signal.REFUSED, 2)
    assert device.beeps == [200, 200, 100] * 2
    assert device.deaf_ms == 200


def test_buzzer_of_the_acr1252u() -> None:
    """Its tones are told in 10 ms, and never as a blocking command."""
    device = Acr1252u()
    pyscard, _ = plugged(device=device)
    tone = Pattern(tone=timedelta(milliseconds=130), tones=2)
    watch(indicator_on(pyscard, model="acr1252u", accepted=tone), Signal.ACCEPTED, 2)
    assert device.beeps == [130, 130]
    assert device.deaf_ms == 0


def test_the_next_signal_silences_a_tone() -> None:
    """No piece of a tone comes after the signal that follows."""
    device = Acr122u()
    pyscard, _ = plugged(device=device)
    tone = Pattern(tone=timedelta(seconds=2))
    indicator = indicator_on(pyscard, refused=tone, ready=STEADY)

    async def main() -> None:
        await indicator.show(Signal.REFUSED)
        await asyncio.sleep(0.5)
        await indicator.show(Signal.READY)
        await asyncio.sleep(5)

    run_virtual(main())
    assert device.beeps == [200] * 3


class Mute(Acr122u):
    """One of its likes, without a buzzer."""

    def led_and_buzzer(self, command: bytes) -> bytes:
        """Refuse to beep."""
        return UNKNOWN if command[-1] else super().led_and_buzzer(command)


def test_a_reader_without_a_buzzer_has_its_lamps() -> None:
    """They blink on where the tone was refused."""
    device = Mute()
    pyscard, _ = plugged(device=device)
    watch(indicator_on(pyscard), Signal.REFUSED, seconds=1.05)
    assert device.states == [RED, 0] * 5 + [RED]


def test_a_resting_light_is_put_again() -> None:
    """A reader that changed its LEDs by itself shows the signal again soon."""
    device = Acr122u()
    pyscard, _ = plugged(device=device)
    indicator = indicator_on(pyscard, ready=STEADY)

    async def main() -> None:
        await indicator.show(Signal.READY)
        device.light(RED)
        await asyncio.sleep(2.1)
        assert device.leds == GREEN

    run_virtual(main())


def test_through_a_card_nothing_blinks() -> None:
    """The card is connected to once for the light and once per tone."""
    device = Acr122u()
    pyscard, reader = plugged(device=device, card=True)
    tone = Pattern(
        colours=(Colour.RED,),
        on=timedelta(milliseconds=100),
        tone=timedelta(milliseconds=100),
        tones=3,
    )
    indicator = indicator_on(pyscard, way="apdu", refused=tone)
    watch(indicator, Signal.REFUSED, seconds=5)
    assert device.states == [RED]
    assert device.beeps == [100] * 3
    assert reader.ways == ["apdu"] * 4


def test_without_a_card_apdus_are_left_out() -> None:
    """Where only a card would do and none lies there, nothing fails and nothing waits.

    The card that comes later does not get what was meant for the time before it.
    """
    device = Acr122u()
    pyscard, reader = plugged(device=device)
    indicator = indicator_on(pyscard, way="apdu")

    async def main() -> None:
        await indicator.show(Signal.REFUSED)
        reader.card = True
        await asyncio.sleep(10)
        assert reader.ways == []

    run_virtual(main())


@pytest.mark.parametrize(
    ("match", "told"), [("ACS *", [PICC_SLOT]), (SAM_SLOT, [SAM_SLOT])]
)
def test_one_device_is_told_once(match: str, told: list[str]) -> None:
    """The slot of the security module is left out, unless it is named."""
    readers = {name: Plugged(Acr1252u()) for name in (PICC_SLOT, SAM_SLOT)}
    indicator = indicator_on(FakePyscard(readers), model="acr1252u", match=match)
    watch(indicator, Signal.READY)
    assert [name for name, reader in readers.items() if reader.ways] == told


@pytest.mark.parametrize("card_beep", [True, False])
@pytest.mark.parametrize("way", ["escape", "apdu"])
def test_card_beep_of_the_acr122u(way: str, *, card_beep: bool) -> None:
    """It is told once, and again after the reader was away."""
    device = Acr122u(card_beep=not card_beep)
    pyscard, reader = plugged(device=device, card=True)
    indicator = indicator_on(pyscard, way=way, card_beep=card_beep, ready=STEADY)

    async def main() -> None:
        await indicator.show(Signal.READY)
        assert device.card_beep is card_beep
        await indicator.show(Signal.READY)
        assert len(reader.ways) == 3
        pyscard.readers = {}
        with pytest.raises(DeviceGoneError):
            await indicator.show(Signal.READY)
        device.card_beep = not card_beep
        pyscard.readers = {READER: reader}
        await indicator.show(Signal.READY)
        assert device.card_beep is card_beep

    run_virtual(main())


@pytest.mark.parametrize(
    ("before", "card_beep", "after", "written"),
    [(0x7F, False, 0x77, 1), (0x77, False, 0x77, 0), (0x77, True, 0x7F, 1)],
)
def test_card_beep_of_the_acr1252u(
    before: int, after: int, written: int, *, card_beep: bool
) -> None:
    """One bit of its stored behavior changes, and nothing is stored without need."""
    device = Acr1252u(behavior=before)
    pyscard, _ = plugged(device=device)
    watch(
        indicator_on(pyscard, model="acr1252u", card_beep=card_beep), Signal.READY, 10
    )
    assert (device.behavior, device.written) == (after, written)


def test_card_beep_is_left_alone_by_default() -> None:
    """Without the key, the reader keeps its habit."""
    device = Acr122u()
    pyscard, _ = plugged(device=device)
    watch(indicator_on(pyscard), Signal.READY)
    assert device.card_beep

"""Card readers: what they see becomes taps with the whitelist's word."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from agent.card_readers import INJECTED_SLOT, LOOK_UP, CardDesk, ReaderPort, SeenCard
from agent.domain.messages import CardLifted, CardTapped, CardUnread, Input
from agent.domain.uid import Alias, Technology, Uid
from agent.errors import StoreBusyError, StoreCorruptError, StoreFailedError
from agent.health import Health
from drivers.errors import TransientDeviceError
from drivers.readers import base
from tests.fakes.cards import uid_of
from tests.fakes.clock import FakeClock
from tests.fakes.hardware import FakeReader
from tests.fakes.lists import KEYS, token
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from agent.domain.tokens import Token
    from tests.fakes.hardware import Step


class Bench:
    """A desk with a whitelist in memory, and a reader in front of it."""

    def __init__(self, *script: Step) -> None:
        self.listed: dict[Uid, list[Token]] = {uid_of("A"): [token("A")]}
        self.error: Exception | None = None
        self.damages = 0
        self.stale: set[str] = set()
        self.aliases: list[Alias] = []
        self.inputs: list[Input] = []
        clock = FakeClock()
        self.health = Health(clock)
        self._taps = 0
        self.desk = CardDesk(
            find=self.find,
            is_fresh=lambda token: token.contract_id not in self.stale,
            aliases=self.aliases,
            on_damage=self.on_damage,
            fingerprint=KEYS.fingerprint,
            new_id=self.new_id,
            clock=FakeClock(),
            health=self.health,
        )
        self.reader = FakeReader(script)
        self.port = ReaderPort(
            "front", self.reader, self.desk, self.inputs.append, self.health
        )

    def find(self, uid: Uid) -> list[Token]:
        """Look a card up."""
        if self.error is not None:
            raise self.error
        return self.listed.get(uid, [])

    def on_damage(self) -> None:
        """Hear of damage."""
        self.damages += 1

    def new_id(self) -> str:
        """Number the taps."""
        self._taps += 1
        return f"T{self._taps}"

    def read(self) -> list[Input]:
        """Let the reader play its script."""

        async def main() -> None:
            async with running(self.port.run()):
                await asyncio.sleep(10)

        run_virtual(main())
        return self.inputs


def arrived(card: str, slot: str = "0") -> base.CardArrived:
    """Lay a card on."""
    return base.CardArrived(
        bytes.fromhex(uid_of(card).value), base.Technology.ISO14443, 1.0, slot
    )


def tapped(card: str, **fields: object) -> CardTapped:
    """Describe the first tap of this bench."""
    known = {
        "tap_id": "T1",
        "reader": "front",
        "slot": "0",
        "uid": uid_of(card),
        "technology": Technology.ISO14443,
        "token": token("A") if card == "A" else None,
        "at": FakeClock().now(),
    }
    return CardTapped(**known | fields)  # type: ignore[arg-type] # the fields above


def test_a_listed_card_comes_with_its_token() -> None:
    """A tap says who, where, and what the whitelist says."""
    assert Bench(arrived("A")).read() == [tapped("A")]


def test_an_unlisted_card_comes_without() -> None:
    """That is no failure of the look-up."""
    [tap] = Bench(arrived("B")).read()

    assert tap == tapped("B")


def test_a_card_that_leaves_is_lifted() -> None:
    """Each slot of a reader has its own cards."""
    bench = Bench(arrived("A", "1"), arrived("B", "2"), base.CardLeft(2.0, "1"))

    assert bench.read() == [
        tapped("A", slot="1"),
        tapped("B", slot="2", tap_id="T2"),
        CardLifted("front", "1"),
    ]


def test_a_card_without_number_is_a_tap_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The driver gets an outcome, and the log the reason."""
    bench = Bench(base.CardUnreadable("torn away", 1.0))

    assert bench.read() == [CardUnread(tap_id="T1", reader="front")]
    assert "torn away" in caplog.text


def test_a_number_that_no_card_has_is_explained(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The tap is refused as any other is, and the log says how long the number was."""
    bench = Bench(base.CardArrived(b"\x1a\x2b\x3c", base.Technology.ISO14443, 1.0, "1"))

    assert len(bench.read()) == 1
    assert "no ISO14443 card has a number of 3 bytes" in caplog.text
    assert "1A2B3C" not in caplog.text.upper()


@pytest.mark.parametrize(
    ("error", "damages"),
    [
        (StoreCorruptError("damaged"), 1),
        (StoreFailedError("full"), 0),
        (StoreBusyError("locked"), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_whitelist_that_cannot_be_read_is_told_with_the_tap(
    error: Exception, damages: int
) -> None:
    """The tap goes on, marked, for its card may stop; only damage is repaired."""
    bench = Bench(arrived("A"))
    bench.error = error

    [tap] = bench.read()

    assert tap == tapped("A", token=None, lookup_failed=True)
    assert bench.damages == damages
    [whitelist] = [c for c in bench.health.conditions() if c.part == LOOK_UP]
    assert (whitelist.ok, whitelist.detail) == (False, str(error))


def test_a_whitelist_that_can_be_read_again_is_well() -> None:
    """One busy moment does not stay on the health page for ever."""
    bench = Bench()
    bench.error = StoreBusyError("locked")
    bench.desk.tap("front", "0", uid_of("A"), Technology.ISO14443)
    bench.error = None

    bench.desk.tap("front", "0", uid_of("A"), Technology.ISO14443)

    assert all(condition.ok for condition in bench.health.conditions())


def test_two_parties_with_one_card_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """The first one counts; the warning names both and shows a fingerprint."""
    bench = Bench(arrived("A"))
    bench.listed[uid_of("A")] = [token("A"), token("A", "hub", party_id="TNM")]

    assert bench.read() == [tapped("A")]

    [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
    for part in ("SE*EMS (cpo)", "SE*TNM (hub)", KEYS.fingerprint(uid_of("A"))):
        assert part in record.getMessage()


def test_a_reader_that_is_up_says_which_device(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its health names the device, or what is wrong; the log says each once."""
    caplog.set_level(logging.INFO)
    bench = Bench(
        base.ReaderUp("ACR122U 00"),
        base.ReaderDown("pcscd is gone"),
        base.ReaderDown("pcscd is gone"),
    )

    bench.read()

    [condition] = bench.health.conditions()
    assert (condition.part, condition.ok, condition.detail) == (
        "reader front",
        False,
        "pcscd is gone",
    )
    assert [caplog.text.count(text) for text in ("ACR122U 00", "pcscd is gone")] == [
        1,
        1,
    ]


def test_a_reader_that_fails_is_down_until_it_is_back() -> None:
    """The driver's reason is the health's detail."""
    bench = Bench()
    bench.reader = FakeReader(
        [TransientDeviceError("no answer")], [5.0, base.ReaderUp("x")]
    )
    bench.port.driver = bench.reader

    async def main() -> None:
        async with running(bench.port.run()):
            await asyncio.sleep(1)
            assert not bench.health.is_good("reader front")
            await asyncio.sleep(10)

    run_virtual(main())

    assert bench.health.is_good("reader front")


@pytest.mark.parametrize(
    ("uid", "technology"),
    [
        (uid_of("A"), Technology.ISO14443),
        (Uid("0A1B2C3D4E"), Technology.EM4100),
        (Uid("E004010203040506"), Technology.ISO15693),
        (Uid("00"), Technology.ISO14443),
    ],
    ids=["7 bytes", "5 bytes", "8 bytes", "1 byte"],
)
def test_a_typed_card_is_an_ordinary_tap(uid: Uid, technology: Technology) -> None:
    """It goes the way of every card, its kind by its length, and is lifted at once."""
    bench = Bench()

    tap = bench.port.inject(uid)

    assert tap.technology is technology
    assert bench.inputs == [tap, CardLifted("front", INJECTED_SLOT)]
    assert tap.token == (token("A") if uid == uid_of("A") else None)


def test_whoever_listens_hears_every_card() -> None:
    """`rfid-agent readers` sees a card as it reads; the tap happens all the same."""
    bench = Bench(arrived("A"))
    heard: list[SeenCard] = []
    also_heard: list[SeenCard] = []
    card, kind = uid_of("A"), Technology.ISO14443

    with bench.port.watched_by(heard.append):
        with bench.port.watched_by(also_heard.append):
            pass
        assert bench.read() == [tapped("A")]
    assert heard == [SeenCard("front", bytes.fromhex(card.value), kind, card, kind)]
    assert also_heard == []


def test_whoever_listens_hears_of_cards_without_a_number() -> None:
    """An installer who holds one has to learn that it was seen, and what is wrong."""
    bench = Bench(base.CardUnreadable("3 of 4 bytes", 0.0))
    heard: list[SeenCard] = []

    with bench.port.watched_by(heard.append):
        assert bench.read() == [CardUnread(tap_id="T1", reader="front")]
    [seen] = heard
    assert (seen.raw, seen.uid, seen.problem) == (b"", None, "3 of 4 bytes")


def test_a_card_that_lay_there_is_told_from_one_that_came() -> None:
    """The rules are told, so that it does not stop its own session."""
    lying = base.CardArrived(
        bytes.fromhex(uid_of("A").value),
        base.Technology.ISO14443,
        0.0,
        "0",
        lying=True,
    )
    inputs = Bench(lying, arrived("B")).read()
    assert [one.lying for one in inputs if isinstance(one, CardTapped)] == [True, False]


def test_a_row_that_is_too_old_is_not_fresh() -> None:
    """The rules are told; a card in no list has nothing that could be old."""
    bench = Bench(arrived("A"), arrived("B"))
    bench.stale = {token("A").contract_id}
    fresh = [one.fresh for one in bench.read() if isinstance(one, CardTapped)]
    assert fresh == [False, True]


def test_a_card_is_found_under_its_other_spellings_only_where_wanted() -> None:
    """Decimal or backwards; its own number comes first."""
    uid = uid_of("B")
    backwards = Uid(bytes.fromhex(uid.value)[::-1].hex().upper())
    decimal = Uid(str(int(uid.value, 16)))
    for number, alias in ((backwards, Alias.REVERSED), (decimal, Alias.DECIMAL)):
        bench = Bench()
        bench.listed[number] = [token("C")]
        tap = bench.desk.tap("front", "0", uid, Technology.ISO14443)
        assert tap.token is None
        bench.aliases.append(alias)
        tap = bench.desk.tap("front", "0", uid, Technology.ISO14443)
        assert tap.token == token("C")
        assert tap.uid == uid
        bench.listed[uid] = [token("B")]
        tap = bench.desk.tap("front", "0", uid, Technology.ISO14443)
        assert tap.token == token("B")

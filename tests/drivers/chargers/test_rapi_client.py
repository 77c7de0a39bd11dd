"""Asking a controller: one answer to each command, the right one or none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.rapi import Notice, Reply, build_command, xor_checksum
from drivers.chargers.rapi_client import NoAnswerError, RapiClient
from drivers.errors import DeviceGoneError
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Wire:
    """A controller that says what the test wants, when it wants."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self._bytes: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.notices: list[Notice] = []

    async def read(self) -> bytes:
        """Wait for what the test says."""
        data = await self._bytes.get()
        if data is None:
            raise DeviceGoneError("pulled")
        return data

    async def write(self, data: bytes) -> None:
        """Note it."""
        self.written.append(data)

    def say(self, *texts: str) -> None:
        """Say sealed lines, without `$`."""
        for text in texts:
            raw = f"${text}".encode()
            self._bytes.put_nowait(raw + f"^{xor_checksum(raw):02X}\r".encode())

    def say_raw(self, data: bytes | None) -> None:
        """Say bytes; None pulls the plug."""
        self._bytes.put_nowait(data)


@asynccontextmanager
async def listening(wire: Wire) -> AsyncIterator[RapiClient]:
    """Give a client whose reading runs."""
    client = RapiClient(wire, wire.notices.append, answer_s=1.0)
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.wait({task})


async def soon() -> None:
    """Let everything that can happen now happen."""
    await asyncio.sleep(0.01)


def test_answers_are_told_apart_by_their_id() -> None:
    """The late answer to a command is not taken for one to the next."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            asking = asyncio.create_task(client.ask("GS"))
            await asyncio.sleep(1.5)  # The first attempt is over.
            assert wire.written == [
                build_command("GS", sequence_id=1),
                build_command("GS", sequence_id=2),
            ]
            wire.say("OK 01 0 01 0000 :01")
            await soon()
            assert not asking.done()
            wire.say("OK 02 0 02 0100 :02")
            assert await asking == Reply(True, ("02", "0", "02", "0100"), 2)

    run_virtual(main())


@pytest.mark.parametrize(
    "raw",
    [
        b"$OK 5 :01\r",  # No checksum
        b"$OK 5^35\r",  # No id
        b"$OK 5 :02^2D\r",  # An id of nobody
        b"$OK 5 :01^00\r",  # A wrong checksum
        b"$GC :01^3B\r",  # An echo
    ],
)
def test_what_is_no_answer(raw: bytes) -> None:
    """Such lines are passed over, and the command is sent three times in all."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            asking = asyncio.create_task(client.ask("GC"))
            await soon()
            wire.say_raw(raw)
            with pytest.raises(NoAnswerError, match="expected an answer to GC"):
                await asking
            assert len(wire.written) == 3
            assert asyncio.get_running_loop().time() == pytest.approx(3.0)

    run_virtual(main())


def test_a_controller_without_ids_is_named() -> None:
    """Firmware that is too old for ids is what the message speaks of."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            asking = asyncio.create_task(client.ask("GC"))
            await soon()
            wire.say("OK 6 32 16 32")
            with pytest.raises(NoAnswerError, match="RAPI 3"):
                await asking

    run_virtual(main())


def test_a_command_that_arrived_damaged_is_sent_again_at_once() -> None:
    """`$NK` without an id costs no time-out; a boot in between neither."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            asking = asyncio.create_task(client.ask("GS"))
            await soon()
            wire.say_raw(b"$NK^21\r")
            await soon()
            assert len(wire.written) == 2
            wire.say("AB 00 8.2.3")
            await soon()
            assert len(wire.written) == 3
            wire.say("OK 01 0 01 0000 :03")
            assert (await asking).sequence_id == 3

    run_virtual(main())


def test_only_what_may_be_repeated_is() -> None:
    """A reset is sent once, whatever becomes of it."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            with pytest.raises(NoAnswerError, match="in 1 attempts"):
                await client.ask("FR")
            assert wire.written == [build_command("FR", sequence_id=1)]

    run_virtual(main())


def test_notices_and_answers_keep_their_order() -> None:
    """What came before the answer is told before it, in the middle of bytes too."""

    async def main() -> None:
        wire = Wire()
        order: list[object] = []
        async with listening(wire) as client:
            client._on_notice = order.append
            asking = asyncio.create_task(client.ask("GS", on_reply=order.append))
            await soon()
            wire.say("AT 01 01 16 0000", "OK 02 0 02 0100 :01", "AN 0")
            await asking
            await soon()
        kinds = [getattr(message, "kind", "reply") for message in order]
        assert kinds == ["AT", "reply", "AN"]

    run_virtual(main())


def test_one_command_at_a_time() -> None:
    """The second command waits for the first one's answer."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            first = asyncio.create_task(client.ask("GS"))
            second = asyncio.create_task(client.ask("GU"))
            await soon()
            assert len(wire.written) == 1
            wire.say("OK :01")
            await first
            await soon()
            assert wire.written[1] == build_command("GU", sequence_id=2)
            wire.say("NK :02")
            assert not (await second).ok

    run_virtual(main())


def test_ids_go_round_without_zero() -> None:
    """After FF comes 01."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            for number in [*range(1, 256), 1]:
                asking = asyncio.create_task(client.ask("GS"))
                await asyncio.sleep(0)
                wire.say(f"OK :{number:02X}")
                assert (await asking).sequence_id == number

    run_virtual(main())


def test_a_line_that_is_gone_fails_everybody() -> None:
    """Who waits and who comes later hear at once that the device is gone."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            asking = asyncio.create_task(client.ask("GS"))
            await soon()
            wire.say_raw(None)
            with pytest.raises(DeviceGoneError, match="pulled"):
                await asking
            with pytest.raises(DeviceGoneError, match="pulled"):
                await client.ask("GS")
            assert asyncio.get_running_loop().time() < 1

    run_virtual(main())


def test_a_caller_that_gives_up_leaves_the_line_usable() -> None:
    """Cancelled in the middle, the next command gets its own answer."""

    async def main() -> None:
        wire = Wire()
        async with listening(wire) as client:
            asking = asyncio.create_task(client.ask("FE"))
            await soon()
            asking.cancel()
            await asyncio.wait({asking})
            wire.say("OK :01")
            following = asyncio.create_task(client.ask("G4"))
            await soon()
            wire.say("OK 1 :02")
            assert await following == Reply(True, ("1",), 2)

    run_virtual(main())

"""A bench for the command driver: a program in memory, and what the driver tells."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from drivers.chargers.base import ChargerUp
from drivers.chargers.command import CommandCharger, CommandConfig
from drivers.errors import TransientDeviceError
from tests.drivers.chargers.listening import Listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from drivers.chargers.base import ChargerEvent
    from drivers.errors import DriverError

COMMAND = ["/usr/local/bin/evse", "1"]


class FakeProgram:
    """An installer's program that does what a test says; its charger outlives it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "vehicle": "absent",
            "enabled": False,
            "wh": 1000,
            "fault": None,
        }
        #: Every request, with the loop's time.
        self.asked: list[tuple[float, dict[str, Any]]] = []
        #: What does not answer, by request.
        self.deaf_to: set[str] = set()
        #: Why a request is refused.
        self.refusals: dict[str, str] = {}
        self.answers_after_s = 0.0
        #: The answer to a request in place of the usual one.
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = self.obey
        self.complaints: list[str] = []
        self.started: list[list[str]] = []
        self.is_running = False
        #: Why it cannot be started.
        self.missing: DriverError | None = None
        #: What happens soon after each start.
        self.on_start: Callable[[], object] = lambda: None
        self._on_line: Callable[[str | None], None]
        self._on_end: Callable[[DriverError], None]

    # ---- what the driver sees -------------------------------------------------------

    @asynccontextmanager
    async def run(
        self,
        command: Sequence[str],
        on_line: Callable[[str | None], None],
        on_end: Callable[[DriverError], None],
        *,
        grace_s: float,
    ) -> AsyncIterator[FakeProgram]:
        """Run, as drivers.chargers.command_process.run_program does."""
        assert grace_s > 0
        self.started.append(list(command))
        if self.missing is not None:
            raise self.missing
        self._on_line, self._on_end = on_line, on_end
        self.is_running = True
        asyncio.get_running_loop().call_soon(self.on_start)
        try:
            yield self
        finally:
            self.is_running = False

    def write(self, line: bytes) -> None:
        """Take a request."""
        assert line.endswith(b"\n")
        request = json.loads(line)
        loop = asyncio.get_running_loop()
        self.asked.append((loop.time(), request))
        if request["do"] not in self.deaf_to and self.is_running:
            loop.call_later(self.answers_after_s, self._answer, request)

    def complain(self, text: str) -> None:
        """Hear what is wrong."""
        self.complaints.append(text)

    # ---- what a test does -----------------------------------------------------------

    @property
    def requests(self) -> list[str]:
        """What was asked, state apart."""
        words = [one["do"] for _, one in self.asked]
        return [word for word in words if word != "state"]

    def is_on(self) -> bool:
        """Whether energy can flow."""
        return bool(self.state["enabled"])

    def obey(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked, and answer."""
        number = {"id": request["id"]}
        if why := self.refusals.get(request["do"]):
            return number | {"ok": False, "error": why}
        if request["do"] != "state":
            self.state["enabled"] = request["do"] == "enable"
        return number | {"ok": True} | self.state

    def tell(self, **message: Any) -> None:  # noqa: ANN401 - any key
        """Say something unasked, and mean it."""
        vehicles = {
            "connected": "connected",
            "charging": "charging",
            "disconnected": "absent",
        }
        if (event := message.get("event")) in vehicles:
            self.state["vehicle"] = vehicles[event]
        self.state |= {key: message[key] for key in ("wh", "fault") if key in message}
        self.say(json.dumps(message))

    def say(self, line: str | None) -> None:
        """Write a line; None for one that is too long."""
        if self.is_running:
            self._on_line(line)

    def die(self) -> None:
        """Be killed; energy stays as it is."""
        self.is_running = False
        self._on_end(TransientDeviceError("the program was ended by SIGKILL"))

    def _answer(self, request: dict[str, Any]) -> None:
        self.say(json.dumps(self.answer(request)))


class Bench(Listener):
    """A driver and its program, listened to as the agent does; virtual time."""

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 - any key
        self.program = FakeProgram()
        super().__init__(
            CommandCharger(
                CommandConfig(command=COMMAND, **config), run=self.program.run
            )
        )

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[FakeProgram]:
        """Listen until the block ends, which begins after ChargerUp."""
        async with self.heard():
            yield self.program

    async def later(self, seconds: float = 0.1) -> list[ChargerEvent]:
        """Let time pass; return what was told since the last time, ChargerUp apart."""
        news = await self.news(seconds)
        return [event for event in news if not isinstance(event, ChargerUp)]

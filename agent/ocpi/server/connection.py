"""One connection: HTTP by uvicorn, with a time limit on whatever a client can delay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.ocpi.server.answers import CLIENT_ERROR, Outcome, write_envelope

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    from agent.ocpi.server.options import Limits

_NO_HTTP: Final = Outcome(
    http_status=400, ocpi_status=CLIENT_ERROR, message="expected HTTP"
)


class Connection(H11Protocol):
    """A client that waits too long between two requests is hung up on.

    uvicorn itself waits for ever: for the rest of a head, for one that it asked for
    with half a body, and for a client that does not read its answer.
    """

    def __init__(self, *, limits: Limits, **uvicorn: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(**uvicorn)
        self._limits = limits
        self._patience: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        #: Since when there is no request to be answered, in the loop's time.
        self.idle_since = self.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        cycle = self._latest_cycle()
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Expect a first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nothing fire any more."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_watching()
        self._stop_waiting_for_reader()

    def pause_writing(self) -> None:
        """Wait for the client to read; not for ever."""
        super().pause_writing()
        self._stop_waiting_for_reader()
        self._reading = self.loop.call_later(self._limits.sent, self.hang_up)

    def resume_writing(self) -> None:
        """Go on: the client does read."""
        super().resume_writing()
        self._stop_waiting_for_reader()

    def handle_events(self) -> None:
        """Read what has come; the time runs until it is a whole request."""
        super().handle_events()
        self._watch()

    def on_response_complete(self) -> None:
        """Expect the next request, or that the client reads and hangs up."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as far as that is possible, and hang up."""
        del msg
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            content = write_envelope(_NO_HTTP, datetime.now(UTC))
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=content),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def finish(self) -> None:
        """Hang up, or do so after the answer that is being made."""
        if self.is_idle:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def hang_up(self) -> None:
        """Hang up now, whatever is left to be sent."""
        self.transport.abort()

    def _latest_cycle(self) -> RequestResponseCycle | None:
        # Before the first request it is None, whatever uvicorn declares.
        return cast("RequestResponseCycle | None", self.cycle)

    def _watch(self) -> None:
        if not self.is_idle:
            self._stop_watching()
        elif self._patience is None:
            self.idle_since = self.loop.time()
            self._wait_for(self._limits.head)

    def _wait_for(self, seconds: float) -> None:
        self._patience = self.loop.call_later(seconds, self._lose_patience)

    def _stop_watching(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_waiting_for_reader(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _lose_patience(self) -> None:
        """Hang up; a client that is still reading a long answer has more time."""
        idle_s = self.loop.time() - self.idle_since
        more_s = self._limits.sent - idle_s
        if self.transport.get_write_buffer_size() and more_s > 0:
            self._wait_for(more_s)
        else:
            self.hang_up()

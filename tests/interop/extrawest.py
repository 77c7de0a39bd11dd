"""The independent OCPI server as a child process, and its remote control."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypedDict

from tests.interop.environment import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

JsonObject = dict[str, Any]
HOST: Final = "127.0.0.1"
#: The version whose endpoints the server has.
VERSION: Final = "2.2.1"
TIMEOUT_S: Final = 30.0

FaultKind = Literal[
    "status",  # answer `status` (and `ocpi_status`, `retry_after`) without processing
    "html",  # answer 200 with a web page without processing
    "cut_before",  # close the connection without processing or answering
    "delay",  # wait `seconds`, then process, even if the client has gone
    "cut_after",  # process fully, then close the connection without answering
    "repair_link",  # make the server's Link correct; it never is by itself
    "broken_link",  # make Link unparseable where there is one
    "broken_token",  # remove `whitelist` from the first token of a page
    "drop_envelope",  # answer `data` alone
    "truncate",  # send the first half of the body, with the length of that half
]


class AuthorizeOutcome(TypedDict, total=False):
    """How the eMSP answers for one card."""

    allowed: str
    authorization_reference: str
    #: Replaces the asked EVSEs in the answer's location.
    evse_uids: list[str]
    #: English display text.
    info: str
    #: Answer OCPI 2002 to a question without LocationReferences.
    requires_location: bool
    #: A card that the token list does not have.
    token: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One OCPI request in arrival order; `status` is None while or when unanswered."""

    method: str
    path: str
    query: dict[str, str]
    #: Lower-case names; the value of `authorization` is masked.
    headers: dict[str, str]
    #: Parsed JSON, None without a body or when it is not JSON.
    body: Any
    status: int | None
    #: The faults that had an effect, as kinds.
    faults: list[str]


class HarnessError(RuntimeError):
    """The server is down or refused a control call; the message has its last words."""


class ExtrawestServer:
    """An eMSP on a loopback port of its own; a context manager that starts it.

    stop() or kill(), then start(), keeps port, tokens, accepted sessions and CDRs, and
    forgets faults, recorded requests and credentials issued by a handshake.
    """

    #: Un-encoded, as in Credentials.token; valid without a handshake.
    token: Final = "interop-credentials-token"
    #: Un-encoded, for a first credentials POST only.
    registration_token: Final = "interop-registration-token"

    def __init__(
        self,
        python: Path,
        *,
        trailing_slash: bool = True,
        upper_case: bool = False,
        page_cap: int = 0,
    ) -> None:
        self.port = 0
        self._python = python
        self._settings = {
            "TRAILING_SLASH": str(trailing_slash),
            "CI_STRING_LOWERCASE_PREFERENCE": str(not upper_case),
            "EXTRAWEST_PAGE_CAP": str(page_cap),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="extrawest-")
        self._file("journal.jsonl").touch()
        self._file("seed.json").write_text(json.dumps({"tokens": [], "authorize": {}}))
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        if self._directory is not None:
            self._directory.cleanup()

    @property
    def versions_url(self) -> str:
        """The URL an operator would be given."""
        return f"http://{HOST}:{self.port}/ocpi/versions"

    @property
    def credentials_url(self) -> str:
        """The credentials endpoint, with the trailing slash its routes want."""
        return f"http://{HOST}:{self.port}/ocpi/emsp/{VERSION}/credentials/"

    @property
    def tokens_url(self) -> str:
        """The tokens SENDER endpoint, with the trailing slash its routes want."""
        return f"http://{HOST}:{self.port}/ocpi/emsp/{VERSION}/tokens/"

    @property
    def sessions_url(self) -> str:
        """The sessions RECEIVER endpoint, without trailing slash."""
        return f"http://{HOST}:{self.port}/ocpi/emsp/{VERSION}/sessions"

    def start(self) -> None:
        """Run the server until it answers, on the port it had before if any."""
        if self._process is not None:
            raise HarnessError("expected a stopped server, it is running")
        # The child inherits a listening socket: no port race, and a request made now
        # waits in the backlog until the server runs, or is reset if it dies.
        with socket.create_server((HOST, self.port)) as listener:
            # Accepted sockets inherit this. Without it every answer, sent as head and
            # body, waits for the client's delayed acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.port = listener.getsockname()[1]
            self._process = self._spawn(listener.fileno())
        self._control("GET", "requests")

    def stop(self) -> None:
        """End the server gracefully; later connections are refused."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the server at once, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def set_tokens(
        self,
        tokens: Sequence[Mapping[str, Any]],
        authorize: Mapping[str, str | AuthorizeOutcome] | None = None,
    ) -> None:
        """Replace the OCPI 2.2.1 token list and the outcomes by uid.

        A card without outcome is ALLOWED if its token is valid, else BLOCKED; without
        token too it is unknown.
        """
        seed = {"tokens": list(tokens), "authorize": dict(authorize or {})}
        self._control("POST", "tokens", seed)

    def set_fault(
        self,
        kind: FaultKind,
        *,
        path: str = "",
        method: str = "",
        times: int | None = 1,
        status: int = 503,
        ocpi_status: int | None = None,
        retry_after: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Add a fault for requests whose path contains `path`; None times: for ever.

        Among status, html and cut_before a request gets the oldest that fits; of every
        other kind also the oldest. Only faults that had an effect count as used.
        """
        fault = {"kind": kind, "path": path, "method": method, "times": times}
        answer = {"status": status, "ocpi_status": ocpi_status}
        timing = {"retry_after": retry_after, "seconds": seconds}
        self._control("POST", "faults", fault | answer | timing)

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._control("DELETE", "faults")

    def requests(self) -> list[RecordedRequest]:
        """Return every OCPI request since start or clear_requests()."""
        return [RecordedRequest(**one) for one in self._control("GET", "requests")]

    def clear_requests(self) -> None:
        """Forget the recorded requests."""
        self._control("DELETE", "requests")

    def forget(self) -> None:
        """Forget faults, requests, accepted sessions and CDRs, for good."""
        self._file("journal.jsonl").write_text("")
        for kind in ("faults", "requests", "sessions", "cdrs"):
            self._control("DELETE", kind)

    def sessions(self) -> dict[str, list[JsonObject]]:
        """Return the accepted session PUT bodies as sent, oldest first, by id."""
        history: dict[str, list[JsonObject]] = self._control("GET", "sessions")
        return history

    def cdrs(self) -> list[JsonObject]:
        """Return the accepted CDRs as sent, oldest first."""
        cdrs: list[JsonObject] = self._control("GET", "cdrs")
        return cdrs

    def log(self) -> str:
        """Return the last output of the server."""
        return "\n".join(self._file("server.log").read_text().splitlines()[-20:])

    def _file(self, name: str) -> Path:
        if self._directory is None:
            raise HarnessError("expected to be used as a context manager")
        return Path(self._directory.name, name)

    def _spawn(self, listener: int) -> subprocess.Popen[bytes]:
        # The server reads its settings from these and from `.env` in its directory.
        environment = self._settings | {
            "PATH": os.environ.get("PATH", ""),
            "PROTOCOL": "http",
            "OCPI_HOST": f"{HOST}:{self.port}",
            "OCPI_PREFIX": "ocpi",
            "COUNTRY_CODE": "NL",
            "PARTY_ID": "TNM",
            "PROJECT_NAME": "interop",
            "ENVIRONMENT": "production",
            "OCPI_TOKEN_A": self.registration_token,
            "OCPI_TOKEN_C": self.token,
            "EXTRAWEST_SEED": str(self._file("seed.json")),
            "EXTRAWEST_JOURNAL": str(self._file("journal.jsonl")),
        }
        options = f"--fd {listener} --log-level warning --timeout-graceful-shutdown 1"
        program = "tests.interop.extrawest_app:app"
        command = [str(self._python), "-m", "uvicorn", program, *options.split()]
        with self._file("server.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--app-dir", str(PROJECT_ROOT)],
                cwd=self._file("."),
                env=environment,
                pass_fds=[listener],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    # Any: the shape of the answer depends on `name`, and each caller states it.
    def _control(self, method: str, name: str, body: object = None) -> Any:  # noqa: ANN401
        connection = http.client.HTTPConnection(HOST, self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"/_control/{name}", json.dumps(body))
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as err:
            raise HarnessError(f"no answer to {method} {name}:\n{self.log()}") from err
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise HarnessError(f"{method} {name}: {text.decode()}\n{self.log()}")
        return json.loads(text)

"""An independent OCPI server as a child process, from its start to its end."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from tests.fakes.ports import ReservedPort
from tests.interop.environment import PROJECT_ROOT
from tests.interop.shapes import COUNTRY_CODE, PARTY_ID
from tests.interop.store import JOURNAL, SEED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

HOST: Final = "127.0.0.1"
TIMEOUT_S: Final = 30.0
#: Defects of a server that it can be started without; see FaultKind.
Repair = Literal["repair_link", "repair_location", "repair_urls"]


class HarnessError(RuntimeError):
    """The server is down or refused a control call; the message has its last words."""


class ServerProcess:
    """An eMSP on a loopback port of its own; a context manager that starts it.

    stop() or kill(), then start(), keeps port, tokens, accepted sessions and CDRs,
    invitations and registrations; it forgets faults and recorded requests.
    """

    #: The ASGI application, as `module:attribute`.
    program: ClassVar[str]
    #: Un-encoded, as in Credentials.token; valid without a handshake.
    token: Final = "interop-credentials-token"
    #: Un-encoded, for a first credentials POST only.
    registration_token: Final = "interop-registration-token"

    def __init__(
        self,
        python: Path,
        *,
        versions: Sequence[str] = ("2.2.1",),
        page_cap: int = 0,
        repairs: Sequence[Repair] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = 0
        #: The OCPI versions it offers, in this order, from the next start on.
        self.versions = tuple(versions)
        self._python = python
        self._settings = {
            **(settings or {}),
            "INTEROP_PAGE_CAP": str(page_cap),
            "INTEROP_REPAIRS": " ".join(repairs),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._reserved: ReservedPort | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="interop-")
        # Nobody else may get the port while the server is stopped.
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self._file(JOURNAL).touch()
        self._file(SEED).write_text(json.dumps({"tokens": [], "authorize": {}}))
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
        if self._reserved is not None:
            self._reserved.close()
        if self._directory is not None:
            self._directory.cleanup()

    # ---- where it is ----------------------------------------------------------------

    @property
    def versions_url(self) -> str:
        """The URL an operator would be given."""
        return f"http://{HOST}:{self.port}/ocpi/versions"

    @property
    def credentials_url(self) -> str:
        """The 2.2.1 credentials endpoint, with the trailing slash its routes want."""
        return self.url("credentials")

    @property
    def tokens_url(self) -> str:
        """The 2.2.1 tokens SENDER endpoint, with the slash its routes want."""
        return self.url("tokens")

    @property
    def sessions_url(self) -> str:
        """The 2.2.1 sessions RECEIVER endpoint, without trailing slash."""
        return self.url("sessions").removesuffix("/")

    @property
    def cdrs_url(self) -> str:
        """The 2.2.1 cdrs RECEIVER endpoint, with the trailing slash its routes want."""
        return self.url("cdrs")

    def url(self, module: str, version: str = "2.2.1") -> str:
        """Return the URL that answers for a module, with its trailing slash."""
        return f"http://{HOST}:{self.port}/ocpi/emsp/{version}/{module}/"

    def details_url(self, version: str = "2.2.1") -> str:
        """Return the URL of a version's details."""
        return f"http://{HOST}:{self.port}/ocpi/{version}/details"

    # ---- start and end --------------------------------------------------------------

    def start(self) -> None:
        """Run the server until it answers, always on the same port."""
        if self._process is not None:
            raise HarnessError("expected a stopped server, it is running")
        # The child inherits a listening socket: no port race, and a request made now
        # waits in the backlog until the server runs, or is reset if it dies.
        with socket.create_server((HOST, self.port)) as listener:
            # Accepted sockets inherit this. Without it every answer, sent as head and
            # body, waits for the client's delayed acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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

    def log(self) -> str:
        """Return the last output of the server."""
        return "\n".join(self._file("server.log").read_text().splitlines()[-20:])

    # ---- inside ---------------------------------------------------------------------

    def _file(self, name: str) -> Path:
        if self._directory is None:
            raise HarnessError("expected to be used as a context manager")
        return Path(self._directory.name, name)

    def _spawn(self, listener: int) -> subprocess.Popen[bytes]:
        # The server reads its settings from these and from `.env` in its directory.
        environment = self._settings | {
            "PATH": os.environ.get("PATH", ""),
            "OCPI_HOST": f"{HOST}:{self.port}",
            "OCPI_PREFIX": "ocpi",
            "COUNTRY_CODE": COUNTRY_CODE,
            "PARTY_ID": PARTY_ID,
            "PROJECT_NAME": "interop",
            "OCPI_TOKEN_A": self.registration_token,
            "OCPI_TOKEN_C": self.token,
            "INTEROP_DIRECTORY": str(self._file(".")),
            "INTEROP_VERSIONS": " ".join(self.versions),
        }
        options = f"--fd {listener} --log-level warning --timeout-graceful-shutdown 1"
        command = [str(self._python), "-m", "uvicorn", self.program, *options.split()]
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

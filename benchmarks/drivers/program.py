"""An installer's program for the command driver, which says what it is told to.

`python -m benchmarks.drivers.program SOCKET`: each line that comes from the socket goes
to standard output, and the moment of that back to the socket.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Final

_STDIN, _STDOUT = 0, 1
_STATE: Final = {"vehicle": "absent", "enabled": False, "wh": 0, "fault": None}


def main() -> None:
    """Answer what is asked, and say what is told, until standard input ends."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(Path(sys.argv[1])))
        half = b""
        while True:
            ready, _, _ = select.select([_STDIN, link.fileno()], [], [])
            if link.fileno() in ready:
                line = link.recv(4096)
                at_ns = time.monotonic_ns()
                os.write(_STDOUT, line)
                link.sendall(at_ns.to_bytes(8))
            if _STDIN in ready:
                if not (data := os.read(_STDIN, 4096)):
                    return
                *lines, half = (half + data).split(b"\n")
                for line in lines:
                    answer = {"id": json.loads(line)["id"], "ok": True, **_STATE}
                    os.write(_STDOUT, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()

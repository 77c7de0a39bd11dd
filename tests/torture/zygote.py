"""Forks daemons that need not import anything any more.

`python -m tests.torture.zygote FD` takes orders on the socket FD until its other end
is closed. Each daemon is a process of its own and runs `rfid-agent run` from its first
line to its last; only the points of `points` are added.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Final, assert_never

import msgspec

import agent.daemon
import agent.station_runner
from agent import registry
from agent.cli.main import main as rfid_agent
from agent.ocpi import tls
from tests.torture import points
from tests.torture.orders import MAX_MESSAGE_BYTES, Ended, Run, Started, Wait

_IMPORTED_LATE: Final = (
    "anyio._backends._asyncio",
    "cysystemd._daemon",
    "httpcore",
)
_DRIVERS: Final = (
    (registry.CHARGERS, "simulated"),
    (registry.INDICATORS, "none"),
    (registry.READERS, "pipe"),
)


def main() -> None:
    """Take orders until nobody can give any."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _warm_up()
    living: set[int] = set()
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE_BYTES, 1)
        if not data:
            break
        order = msgspec.json.decode(data, type=Run | Wait)
        match order:
            case Run():
                pid = os.fork()
                if pid == 0:
                    channel.close()
                    _be_daemon(order, *descriptors)
                living.add(pid)
                os.close(descriptors[0])
                channel.send(msgspec.json.encode(Started(pid)))
            case Wait(pid):
                _, status = os.waitpid(pid, 0)
                living.discard(pid)
                ended = Ended(os.waitstatus_to_exitcode(status))
                channel.send(msgspec.json.encode(ended))
            case _:
                assert_never(order)
    for pid in living:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _warm_up() -> None:
    """Do once what takes every start of the daemon its time and never changes."""
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    tls.make_context(tls.TlsOptions())
    for group, name in _DRIVERS:
        registry.load_driver(group, name)
    gc.collect()
    gc.freeze()


def _be_daemon(order: Run, output: int) -> None:
    """Become the daemon; what it returns ends this process."""
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((null, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, number)
    os.close(null)
    os.close(output)
    points.install(order)
    if order.record_again_s is not None:
        agent.station_runner.RECORD_AGAIN_S = order.record_again_s
    sys.exit(rfid_agent(["run", "--config", order.config]))


if __name__ == "__main__":
    main()

"""Mounts a disk that forgets, cuts its power, and mounts what is left.

`python -m tests.torture.lossy_server DIRECTORY RULE [--dishonest]` obeys requests, a
JSON object per line, until its input ends; `tests.torture.lossy_mount` sends them.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import errno
import json
import os
import random
import sys
import threading
import time
import traceback
from typing import Any, Final

from tests.torture.lossy_disk import Disk, Names
from tests.torture.lossy_fs import Fuse, Gate, LossyFs

_UNMOUNTED_WITHIN_S: Final = 5.0
_BUSY_PAUSE_S: Final = 0.002
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_DETACH: Final = 2  # MNT_DETACH of umount2(2)


def _unmount(directory: str) -> None:
    """Unmount; whoever was killed a moment ago may still be closing files."""
    deadline = time.monotonic() + _UNMOUNTED_WITHIN_S
    while _LIBC.umount2(directory.encode(), 0):
        code = ctypes.get_errno()
        if code != errno.EBUSY or time.monotonic() > deadline:
            raise OSError(code, f"unmount: {os.strerror(code)}", directory)
        time.sleep(_BUSY_PAUSE_S)


class Server:
    """Mounts a disk, and after each cut what is left of it."""

    def __init__(self, directory: str, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk
        self._gate = Gate(self._remember)
        self._mounted = threading.Event()
        self._is_wanted = True
        self._remembers = False
        #: The disk before each step, from `remember` on.
        self._past: list[Disk] = []
        self._past_from = 0

    def run(self) -> None:
        """Serve the file system in this thread, requests in another."""
        threading.Thread(target=self._obey, daemon=True).start()
        while self._is_wanted:
            self._is_wanted = False
            try:
                self._serve()
            except RuntimeError:
                # The kernel says so when it unmounts while a request is on its way.
                if not self._is_wanted:
                    raise

    def _serve(self) -> None:
        """Serve one disk until it is unmounted."""
        Fuse(
            LossyFs(self._disk, self._gate, self._mounted),
            self._directory,
            foreground=True,
            nothreads=True,
            fsname="lossy",
            hard_remove=True,
            kernel_cache=True,
            use_ino=True,
        )

    def _obey(self) -> None:
        try:
            self._mounted.wait()
            _send({"mounted": True})
            for line in sys.stdin:
                _send(self._reply(**json.loads(line)))
        except Exception:  # noqa: BLE001 - shown, and the test is not left waiting
            traceback.print_exc()
        finally:
            self._gate.end()
            # Whoever still has a file open there is not to keep us.
            _LIBC.umount2(self._directory.encode(), _DETACH)
            os._exit(0)

    def _reply(self, command: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        match command:
            case "stop_at":
                self._gate.stop_at(arguments["step"])
            case "status":
                return {
                    "frozen": self._gate.frozen.is_set(),
                    "steps": len(self._gate.steps),
                }
            case "steps":
                return {"steps": self._gate.steps}
            case "remember":
                self._past, self._past_from = [], len(self._gate.steps)
                self._remembers = True
            case "release":
                self._gate.end()
            case "cut":
                self._cut(**arguments)
            case "format":
                self._mount(Disk(Names(arguments["rule"]), honest=arguments["honest"]))
        return {}

    def _remember(self) -> None:
        if self._remembers:
            self._past.append(copy.deepcopy(self._disk))

    def _cut(self, seed: int | None, step: int | None) -> None:
        chance = None if seed is None else random.Random(seed)  # noqa: S311 - no secret
        self._gate.stop_at(0)
        self._remember()
        self._remembers = False
        disk = self._disk if step is None else self._past[step - self._past_from]
        self._mount(disk.cut(chance))

    def _mount(self, disk: Disk) -> None:
        """Mount another disk in place of this one."""
        self._disk = disk
        gate, self._gate = self._gate, Gate(self._remember)
        self._mounted.clear()
        self._is_wanted = True
        gate.end()
        _unmount(self._directory)
        self._mounted.wait()


def _send(reply: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("rule", type=Names)
    parser.add_argument("--dishonest", action="store_true")
    options = parser.parse_args()
    disk = Disk(options.rule, honest=not options.dishonest)
    Server(options.directory, disk).run()


if __name__ == "__main__":
    main()

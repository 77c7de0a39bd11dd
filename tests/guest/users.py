"""Doing things as another user, in a process that has imported everything already."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import select
import signal
import warnings
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

T = TypeVar("T")

AGENT: Final = "rfid-agent"
NOBODY: Final = "nobody"
_PATIENCE_S: Final = 60.0


def as_user(name: str, task: Callable[[], T]) -> T:
    """Return what a task returns as this user with its groups, or raise likewise."""
    # Forked, since importing all of it again would take seconds under emulation.
    forking = multiprocessing.get_context("fork")
    ours, theirs = forking.Pipe(duplex=False)
    process = forking.Process(target=_be, args=(name, task, theirs))
    with warnings.catch_warnings():
        # Of other threads, which hold nothing that the task needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    try:
        assert ours.poll(_PATIENCE_S), f"the task of {name} does not end"
        result, error = ours.recv()
    finally:
        process.join()
        ours.close()
    if error is not None:
        raise error
    value: T = result
    return value


def _be(name: str, task: Callable[[], T], channel: Connection) -> None:
    user = pwd.getpwnam(name)
    os.initgroups(name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    try:
        channel.send((task(), None))
    except Exception as err:  # noqa: BLE001 - raised again by the caller
        channel.send((None, err))


def killed_after(task: Callable[[], object], condition: Callable[[], bool]) -> bool:
    """Do a task in a process that then holds what it has, and is killed.

    Return whether the condition was true while it was held.
    """
    done = os.eventfd(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # As in as_user()
        pid = os.fork()
    if pid == 0:
        try:
            held = task()  # noqa: F841 - until it is killed
            os.eventfd_write(done, 1)
            signal.pause()
        finally:
            os._exit(1)
    is_done, _, _ = select.select([done], [], [], _PATIENCE_S)
    os.close(done)
    assert is_done, "the task has failed"
    was_true = condition()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return was_true

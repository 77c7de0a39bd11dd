"""Which PC/SC readers are attached, for whoever only wants to look."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Final

from drivers.errors import DriverError
from drivers.readers.pcsc_codes import HangingPcscdError
from drivers.readers.pcsc_scard import Scard

ANSWERS_WITHIN_S: Final = 5.0


def list_readers() -> list[str]:
    """Name the PC/SC readers attached now; a DriverError says what to do.

    Blocks for ANSWERS_WITHIN_S at most; the thread that hangs is left behind.
    """
    answers: SimpleQueue[list[str] | DriverError] = SimpleQueue()

    def ask() -> None:
        try:
            scard = Scard.load()
            with scard.context() as context:
                answers.put(scard.list_readers(context))
        except DriverError as err:
            answers.put(err)

    threading.Thread(target=ask, name="pcsc-list", daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWERS_WITHIN_S)
    except Empty:
        raise HangingPcscdError(ANSWERS_WITHIN_S) from None
    if isinstance(answer, DriverError):
        raise answer
    return answer


def explain_missing(pattern: str, attached: list[str]) -> str:
    """Say why no reader is meant by a pattern, and what to do about it."""
    if attached:
        there, remedy = ", ".join(attached), "correct match"
    else:
        there, remedy = "nothing", "plug it in, and install its driver (libccid)"
    return f"nothing attached matches {pattern!r}; attached: {there}; {remedy}"

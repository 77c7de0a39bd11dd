"""Which error number is behind what a serial port's libraries throw; pure."""

from __future__ import annotations

import errno
import termios
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

DENIED: Final = (errno.EACCES, errno.EPERM)
IN_USE: Final = (errno.EAGAIN, errno.EBUSY)
# Where trying again is useless; EINVAL may come of a device that is just leaving.
NO_TTY: Final = (errno.ENOTTY, errno.EISDIR, errno.ENOTDIR)


def errors_behind(err: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was made of: libraries wrap, and forget numbers."""
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


def number_of(err: BaseException) -> int | None:
    """Return the number of this error itself, None if it has none."""
    if isinstance(err, OSError):
        return err.errno
    if isinstance(err, termios.error):
        return int(err.args[0])
    return None

"""Lines of text out of bytes that arrive in any fragments; pure."""

from __future__ import annotations


class LineSplitter:
    """Cuts bytes into lines of at most `max_bytes`.

    Lines lose their surrounding white space, and empty ones are skipped. One that is
    too long is dropped up to its end, and comes as None, once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tail = b""
        self._dropping = False

    def feed(self, data: bytes) -> list[str | None]:
        """Take the next bytes; return the lines that they complete."""
        *ended, tail = (self._tail + data).split(b"\n")
        lines: list[str | None] = []
        for raw in ended:
            if not self._dropping and len(raw) > self._max_bytes:
                lines.append(None)
            elif not self._dropping and (line := raw.decode(errors="replace").strip()):
                lines.append(line)
            self._dropping = False
        if len(tail) > self._max_bytes and not self._dropping:
            self._dropping = True
            lines.append(None)
        self._tail = b"" if self._dropping else tail
        return lines

    def spoil(self) -> None:
        """Drop the line that stands half up to its end, of which nothing is told."""
        if self._tail:
            self._tail = b""
            self._dropping = True

"""One request and its reply, and what was objected to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.reference.values import JsonObject, read_json, write_json

JSON: Final = "application/json"


@dataclass(slots=True)
class Reply:
    """An answer that has not been sent yet; `cut_at` bytes of the body are."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_at: int | None = None

    @classmethod
    def of(cls, data: object, status: int = 200) -> Reply:
        """Build a JSON answer."""
        return cls(status, {"Content-Type": JSON}, write_json(data))

    def json(self) -> JsonObject:
        """Read the envelope, which is empty when there is none."""
        try:
            value = read_json(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def replace_json(self, value: object) -> None:
        """Put other JSON into the body."""
        self.body = write_json(value)


@dataclass(eq=False)
class Request:
    """What a station asked, as it came; `reply` is None while it is not answered."""

    number: int
    method: str
    target: str
    pairs: tuple[tuple[str, str], ...]
    body: bytes
    reply: Reply | None = None
    #: Whether the station has the answer; a spoiled one it may or may not understand.
    delivery: Literal["none", "spoiled", "whole"] = "none"

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case."""
        return {name.lower(): value for name, value in self.pairs}

    @cached_property
    def path(self) -> str:
        """The path as it was sent, still percent-encoded."""
        return urlsplit(self.target).path

    @cached_property
    def segments(self) -> list[str]:
        """The path in decoded parts."""
        return [unquote(part) for part in self.path.split("/")]

    @cached_property
    def query(self) -> dict[str, str]:
        """The query; a name that stands twice keeps its last value."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def count(self, name: str) -> int:
        """Count how often a header was sent."""
        return sum(one.lower() == name.lower() for one, _ in self.pairs)

    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """Read the body; raise ValueError when it is not JSON."""
        return read_json(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that the specification forbids; `rule` sorts them."""

    where: str
    rule: str
    message: str
    request: Request | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.message}"


class RefusalError(Exception):
    """The answer is no; HTTP stays 200 for what OCPI has a code for."""

    def __init__(self, ocpi_status: int, message: str, http_status: int = 200) -> None:
        super().__init__(message)
        self.ocpi_status = ocpi_status
        self.http_status = http_status

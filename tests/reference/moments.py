"""Moments: written and read as OCPI has them, apart from what `agent` does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

DATE_TIME: Final = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,4})?Z",
    re.ASCII,
)


def read_moment(text: str) -> datetime:
    """Read a moment in any ISO 8601 form; without a designator it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def write_moment(moment: datetime) -> str:
    """Write whole seconds with a `Z`, which every version accepts."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hours_between(start: str, end: str) -> Decimal:
    """Measure how many hours lie between two moments."""
    seconds = (read_moment(end) - read_moment(start)).total_seconds()
    return Decimal(str(seconds)) / 3600

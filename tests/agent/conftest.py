"""What every test of the agent is also checked for."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

from tests.fakes.cards import uid_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Any of the cards in tests.fakes.cards, whatever stands between the digits.
_FIRST, _REST = uid_of("A").value[:2], uid_of("A").value[4:]
_SEPARATED = "[ :.-]?".join(
    [_FIRST, "[0-9A-F]{2}", *(_REST[i : i + 2] for i in range(0, len(_REST), 2))]
)
_CARD_NUMBER = re.compile(_SEPARATED, re.IGNORECASE)


@pytest.fixture(autouse=True)
def _no_card_number_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which the log shows the number of one of our cards."""
    caplog.set_level(logging.DEBUG, logger="agent")
    yield
    records = caplog.get_records("setup") + caplog.get_records("call")
    lines = [logging.Formatter().format(record) for record in records]
    assert not [line for line in lines if _CARD_NUMBER.search(line)]

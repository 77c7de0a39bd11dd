"""What the tests of the reference ask of a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

    from tests.reference.cpo import Cpo
    from tests.reference.reference import Reference


def rules(backend: Reference) -> list[str]:
    """Name the rules that were broken, in order."""
    return [one.rule for one in backend.problems]


def refused(cpo: Cpo, answer: httpx.Response, rule: str, status: int = 200) -> None:
    """Demand one objection of this rule, and its answer."""
    assert rules(cpo.backend) == [rule]
    assert answer.status_code == status
    assert answer.json()["status_code"] in (2000, 2001)
    problem = cpo.backend.problems[0]
    assert problem.request is cpo.backend.requests[-1]
    with pytest.raises(AssertionError, match=rule):
        cpo.backend.assert_clean()

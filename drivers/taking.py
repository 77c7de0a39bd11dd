"""What a driver needs for itself alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable


@runtime_checkable
class Taking(Protocol):
    """A driver's `Config` that names what no other driver may use beside it.

    Paths among its fields count as well, without being named here.
    """

    def takes(self) -> Iterable[str]:
        """Name devices and lines, as a person calls them; equal names are a mistake."""
        ...

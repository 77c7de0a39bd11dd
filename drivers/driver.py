"""What all drivers have: a table of the configuration, and a look for `doctor`."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.findings import Finding


class Driver(ABC):
    """Base of the ports; a driver is made from its `Config`, which must not block.

    `Config` is the driver's own table of the configuration, a frozen dataclass;
    relative paths in it are resolved against the state directory before the
    driver sees them. It may be `Taking`.
    """

    Config: ClassVar[type[Any]]

    def check(self) -> Iterable[Finding]:
        """Look at what this driver needs, without disturbing the device; may block.

        Each finding names a cause that a person can do something about.
        """
        return ()


@runtime_checkable
class Taking(Protocol):
    """A driver's `Config` that names what no other driver may use beside it.

    Paths among its fields count as well, without being named here.
    """

    def takes(self) -> Iterable[str]:
        """Name devices and lines, as a person calls them; equal names are a mistake."""
        ...

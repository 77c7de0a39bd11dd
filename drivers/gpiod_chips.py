"""Which GPIO chip is meant, and what its failures mean (gpiod 2.5)."""

from __future__ import annotations

import errno
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gpiod

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEVICES: Final = "/dev"
#: What the kernels of Raspberry Pi OS say of the pins of their header: Y or N.
_PERSISTENCE: Final = tuple(
    Path(f"/sys/module/{module}/parameters/persist_gpio_outputs")
    for module in ("pinctrl_bcm2835", "pinctrl_rp1")
)
_PI_LABELS: Final = ("pinctrl-bcm", "pinctrl-rp1")
_GONE: Final = (errno.ENODEV, errno.ENXIO, errno.EIO, errno.EBADF)
_NO_CHIP: Final = (errno.ENOTTY, errno.EINVAL, errno.EISDIR)


def find_chip(wanted: str) -> gpiod.Chip:
    """Open a chip by its label, its name or its path.

    TransientDeviceError if several have the label: which of them comes first may be
    another one after the next start.
    """
    if wanted.startswith("/"):
        return _open_chip(wanted)
    seen: list[str] = []
    denied: list[DriverError] = []
    meant: dict[str, gpiod.Chip] = {}
    with ExitStack() as closing:
        for path, chip in _open_chips(denied):
            try:
                info = chip.get_info()
            except OSError:
                chip.close()  # It is just going away.
                continue
            seen.append(f"{info.label} ({info.name})")
            if wanted in (info.label, info.name):
                meant[path] = closing.enter_context(chip)
            else:
                chip.close()
        if len(meant) == 1:
            closing.pop_all()
            return next(iter(meant.values()))
    if meant:
        raise TransientDeviceError(
            f"{len(meant)} GPIO chips are called {wanted}, {' and '.join(meant)}: name "
            "one by a path that stays its own, as a SYMLINK of a udev rule does"
        )
    if denied:
        raise denied[-1]
    raise DeviceGoneError(
        f"there is no GPIO chip {wanted}; there are: {', '.join(seen) or 'none'}"
    )


def offset_of(found: gpiod.Chip, chip: str, line: str | int) -> int:
    """Find a line by its name or number; UnsupportedDeviceError if there is none."""
    try:
        return found.line_offset_from_id(line)
    except FileNotFoundError as err:
        reason: OSError | ValueError = err
    except ValueError as err:
        reason = err
    except OSError as err:
        raise to_driver_error(chip, err) from err
    try:
        lines = found.get_info().num_lines
    except OSError as err:
        raise to_driver_error(chip, err) from err
    raise UnsupportedDeviceError(
        f"{chip} has no line {line}; it has {lines} lines, and gpioinfo lists them"
    ) from reason


def keeps_outputs(wanted: str) -> bool:
    """Whether the kernel leaves a chip's outputs as they are when nobody has them."""
    with find_chip(wanted) as found:
        try:
            label = found.get_info().label
        except OSError as err:
            raise to_driver_error(wanted, err) from err
    return label.startswith(_PI_LABELS) and any(map(_says_yes, _PERSISTENCE))


def to_driver_error(chip: str, err: OSError | ValueError) -> DriverError:
    """Name a failure by the retry policy that fits it."""
    code = err.errno if isinstance(err, OSError) else errno.EINVAL
    if isinstance(err, PermissionError):
        return AccessDeniedError(
            f"cannot use {chip}: {err}; the agent's user must be in the group gpio, "
            "and its service must be allowed the device (DeviceAllow=char-gpiochip rw)"
        )
    if code == errno.EBUSY:
        return TransientDeviceError(
            f"a line of {chip} is used by another program; gpioinfo names it"
        )
    if code in _GONE:
        return DeviceGoneError(f"{chip} is gone, or is no GPIO chip: {err}")
    if code in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        return UnsupportedDeviceError(f"{chip} cannot use a line as told: {err}")
    return TransientDeviceError(f"{chip} failed: {err}")


def _open_chips(denied: list[DriverError]) -> Iterator[tuple[str, gpiod.Chip]]:
    """Open one chip after the other; what cannot be opened is added to `denied`."""
    for path in sorted(Path(_DEVICES).glob("gpiochip*")):
        if path.is_symlink():
            continue  # Some boards have a second name for a chip.
        try:
            yield str(path), _open_chip(str(path))
        except (AccessDeniedError, TransientDeviceError) as err:
            denied.append(err)
        except (DeviceGoneError, UnsupportedDeviceError):
            continue


def _open_chip(path: str) -> gpiod.Chip:
    try:
        return gpiod.Chip(path)
    except OSError as err:
        if err.errno == errno.ENOENT:
            raise DeviceGoneError(f"there is no GPIO chip {path}") from err
        if err.errno in _NO_CHIP:
            raise UnsupportedDeviceError(f"{path} is no GPIO chip") from err
        raise to_driver_error(path, err) from err


def _says_yes(parameter: Path) -> bool:
    try:
        return parameter.read_text(encoding="ascii").strip() == "Y"
    except (OSError, ValueError):
        return False  # Of a kernel that has no such choice

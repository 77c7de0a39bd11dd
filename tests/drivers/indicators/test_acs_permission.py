"""Whether escape commands are allowed, as far as the drivers' files tell."""

from __future__ import annotations

import plistlib
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.findings import Finding
from drivers.indicators import acs
from drivers.indicators.acs import AcsIndicator, AcsIndicatorConfig
from drivers.indicators.acs_commands import Model
from drivers.indicators.acs_link import Way
from drivers.indicators.acs_permission import find_refusal

if TYPE_CHECKING:
    from pathlib import Path

READER = "ACS ACR122U PICC Interface 00 00"


def install(bundles: Path, name: str, options: str) -> Path:
    """Install a driver with these options."""
    path = bundles / f"{name}.bundle" / "Contents" / "Info.plist"
    path.parent.mkdir(parents=True)
    path.write_bytes(plistlib.dumps({"ifdDriverOptions": options}))
    return path


@pytest.mark.parametrize(
    ("options", "wanted"), [("0x0000", "0x0001"), ("0x0004", "0x0005")]
)
def test_refusing_driver(tmp_path: Path, options: str, wanted: str) -> None:
    """The file is named, and the value that keeps the other options."""
    path = install(tmp_path, "ifd-ccid", options)
    assert f"set ifdDriverOptions to {wanted} in {path}" in find_refusal(tmp_path)


def test_allowing_drivers(tmp_path: Path) -> None:
    """One does once it is told to, and ACS's own whatever its options say."""
    path = install(tmp_path, "ifd-ccid", "0x0001")
    assert find_refusal(tmp_path) == ""
    path.write_bytes(plistlib.dumps({"ifdDriverOptions": "0x0000"}))
    assert find_refusal(tmp_path) != ""
    install(tmp_path, "ifd-acsccid", "0x0000")
    assert find_refusal(tmp_path) == ""


def test_neither_driver(tmp_path: Path) -> None:
    """Nothing is said of drivers that are not there, or not readable."""
    assert find_refusal(tmp_path) == ""
    install(tmp_path, "ifd-ccid", "0x0000").write_text("no plist")
    assert find_refusal(tmp_path) == ""


@pytest.mark.parametrize("plist", [{}, {"ifdDriverOptions": "many"}, []])
def test_strange_options(tmp_path: Path, plist: dict[str, str] | list[str]) -> None:
    """A file without readable options allows nothing."""
    install(tmp_path, "ifd-ccid", "0").write_bytes(plistlib.dumps(plist))
    assert "0x0001" in find_refusal(tmp_path)


def check(config: AcsIndicatorConfig) -> list[Finding]:
    """Look, as `doctor` does."""
    return list(AcsIndicator(config).check())


def test_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers and the refusal are found; by APDU the refusal does not matter."""
    monkeypatch.setattr(acs, "list_readers", lambda: ["Other 00 00", READER])
    monkeypatch.setattr(acs, "find_refusal", lambda: "not allowed")
    config = AcsIndicatorConfig(model=Model.ACR122U)
    assert check(config) == [Finding(READER), Finding("escape commands", "not allowed")]
    config = AcsIndicatorConfig(model=Model.ACR122U, way=Way.APDU)
    assert check(config) == [Finding(READER)]
    config = AcsIndicatorConfig(model=Model.ACR122U, way=Way.APDU, match="X*")
    (finding,) = check(config)
    assert (
        "nothing attached matches 'X*'; attached: Other 00 00, ACS" in finding.problem
    )


def test_check_without_pcscd(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one finding is what keeps us from looking further."""

    def fail() -> list[str]:
        raise TransientDeviceError("pcscd is not running")

    monkeypatch.setattr(acs, "list_readers", fail)
    config = AcsIndicatorConfig(model=Model.ACR122U)
    assert check(config) == [Finding("pcscd", "pcscd is not running")]

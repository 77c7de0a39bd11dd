"""The way in: says what is missing when the demo cannot run here."""

from __future__ import annotations

from agent.errors import ConfigError

_EXTRA = ("starlette", "uvicorn")


def run_demo(*, once: bool) -> int:
    """Show the agent at work; 0 if everything was as it must be, else 1.

    Raise ConfigError when the sample backend's libraries are not installed.
    """
    try:
        from agent.demo.play import play  # noqa: PLC0415 - needs an optional extra
    except ModuleNotFoundError as err:
        if (err.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ConfigError(
            f"the demo needs {' and '.join(_EXTRA)}; "
            "install them with: pip install 'rfid-agent[web]', or run: make demo"
        ) from err
    return play(once=once)

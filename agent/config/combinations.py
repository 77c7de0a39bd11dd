"""What each table allows and the tables together do not."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config.reading import Mistakes, Place
from agent.domain.policy import OfflineMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.config.schema import AuthorizationConfig, Evse, Reader, Upstream


def check_unknown_cards(
    authorization: AuthorizationConfig,
    upstreams: Sequence[Upstream],
    mistakes: Mistakes,
) -> None:
    """Demand somebody to tell of unknown cards that may charge offline."""
    if authorization.offline is not OfflineMode.ALLOW_UNKNOWN:
        return
    if not any(
        item.config.authorize_unknown
        and item.config.country_code
        and item.config.party_id
        for item in upstreams
    ):
        mistakes.add(
            Place("authorization"),
            "offline",
            "needs an [[upstream]] with authorize_unknown = true and its "
            "country_code and party_id, to book unknown cards on",
            authorization.offline.value,
        )


def check_shared_paths(
    evses: Sequence[Evse], readers: Sequence[Reader], mistakes: Mistakes
) -> None:
    """Refuse one device or pipe that two drivers would fight over."""
    tables = [
        (Place("evse", number), "charger", f"charger of {evse.uid}", evse.charger)
        for number, evse in enumerate(evses, start=1)
    ]
    for number, reader in enumerate(readers, start=1):
        place = Place("reader", number)
        indicator = f"indicator of {reader.name}"
        tables += [
            (place, "driver", f"reader {reader.name}", reader.reader),
            (place, "indicator", indicator, reader.indicator),
        ]
    users: dict[Path, str] = {}
    for place, key, user, table in tables:
        for path in _paths_in(table.options):
            if path in users:
                problem = f"{path} is used by the {users[path]} and the {user}"
                mistakes.add(place, key, problem)
            users.setdefault(path, user)


def _paths_in(options: object) -> list[Path]:
    """Every path among a driver's options; drivers describe them as dataclasses."""
    if not is_dataclass(options) or isinstance(options, type):
        return []
    values = (getattr(options, item.name) for item in fields(options))
    return [value for value in values if isinstance(value, Path)]

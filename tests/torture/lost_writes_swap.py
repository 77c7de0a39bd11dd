"""A station whose power is cut while it takes a new list, and the list it has then."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from agent.domain.uid import Uid
from agent.store.keys import CardKeys, load_key
from agent.store.token_reader import TokenReader
from agent.store.whitelist import LINK
from tests.e2e.tables import UPSTREAM
from tests.torture.backend import token
from tests.torture.daemons import DiedError
from tests.torture.lossy_disk import Names
from tests.torture.lost_writes_station import power_fails, sync_all

if TYPE_CHECKING:
    from tests.torture.bench import Bench
    from tests.torture.lossy_mount import LossyMount
    from tests.torture.lost_writes_station import Blow
    from tests.torture.orders import Passage
    from tests.torture.station import Station

_OLD: Final = ("04C1A5E7D21B80", "04D39B12F6C481", "04E86F3AC57D82")
_NEW: Final = ("04A7B3C96E1584", "049D84E20F7A85", "04F4520DB9EE83")
#: What the backend lists at first.
OLD_TOKENS: Final = tuple(token(uid) for uid in _OLD)
_NEW_TOKENS: Final = [token(uid) for uid in _NEW]


def rehearse_swap(bench: Bench, disk: LossyMount) -> tuple[list[Passage], int]:
    """Take a new list without a cut; return what is passed, and the disk's steps."""
    disk.format(Names.STRICT)
    bench.backend.tokens = list(OLD_TOKENS)
    with bench.station(state=disk.directory) as station:
        before = disk.step()
        station.launch()
        _take_new_list(station)
        steps = disk.step() - before
        station.terminate()
        return station.daemon.passages(), steps


def cut_swap(
    bench: Bench, disk: LossyMount, blow: Blow, *, honest: bool = True
) -> None:
    """Take a new list, fail, and look what is left; then the new one is fetched."""
    disk.format(blow.rule, honest=honest)
    bench.backend.tokens = list(OLD_TOKENS)
    with bench.station(state=disk.directory) as station:
        sync_all(station.state)
        station.launch(blow.passage)
        with power_fails(disk, station, blow.at_step), suppress(DiedError):
            _take_new_list(station)
        is_done = station.daemon.status is None
        station.kill()
        disk.cut(blow.seed)
        _check_list(station, [_NEW] if is_done else [_OLD, _NEW])
        station.launch()
        _take_new_list(station)
        assert _listed(station) == _NEW
        station.terminate()
        assert "Traceback" not in station.log(), station.log()


def _take_new_list(station: Station) -> None:
    """Have the backend list other cards, and return when they are in force."""
    # What a start fetches by itself is added to the old list: that is to be over.
    station.daemon.expect("ready:")
    station.daemon.expect("synchronisation")
    station.backend.tokens = _NEW_TOKENS
    station.ask("sync", full=True)


def _check_list(station: Station, possible: list[tuple[str, ...]]) -> None:
    """Without a backend, one of these lists decides, whole."""
    station.backend.is_away = True
    station.start()
    listed = _listed(station)
    assert listed in possible, f"{listed} instead of one of {possible}"
    assert station.tap(listed[0])["outcome"] == "granted"
    station.backend.is_away = False
    station.terminate()


def _listed(station: Station) -> tuple[str, ...]:
    """Say which cards are in force."""
    keys = CardKeys(load_key(station.state, None))
    with closing(TokenReader(station.state / LINK, keys, [UPSTREAM])) as reader:
        return tuple(card for card in (*_OLD, *_NEW) if reader.find(Uid(card)))

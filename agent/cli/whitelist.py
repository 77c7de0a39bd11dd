"""Commands about the whitelist: sync, tokens."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
import msgspec

from agent.cli.client import NotRunningError, ask
from agent.cli.options import config_option, json_option, load
from agent.cli.output import print_json, print_table, progress_bar
from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.config import Config, Upstream
    from agent.store.token_reader import TokenReader


@click.command()
@click.option("--full", is_flag=True, help="Fetch the whole list; what it lacks goes.")
@click.option(
    "--accept-shrink",
    is_flag=True,
    help="Take the whole list, however many tokens it has lost.",
)
@click.option("--upstream", help="Only this upstream.")
@config_option
@json_option
def sync(
    upstream: str | None,
    config_path: Path,
    *,
    full: bool,
    accept_shrink: bool,
    as_json: bool,
) -> None:
    """Synchronise the whitelist now."""
    config = load(config_path)
    wishes = {"full": full or accept_shrink, "accept_shrink": accept_shrink}
    with progress_bar("tokens") as show:

        def on_progress(facts: dict[str, Any]) -> None:
            show(facts["seen"], facts["total"])

        try:
            results = ask(
                config.station.state_dir,
                "sync",
                on_progress,
                upstream=upstream,
                **wishes,
            )
        except NotRunningError:
            results = asyncio.run(
                _sync_without_daemon(config, upstream, on_progress, **wishes)
            )
    if as_json:
        print_json(results)
        return
    for result in results:
        kind = "whole list" if result["full"] else "changes"
        skipped = f", {result['skipped']} skipped" if result["skipped"] else ""
        click.echo(
            f"{result['upstream']}: {kind}, {result['received']} tokens{skipped}"
        )


async def _sync_without_daemon(
    config: Config,
    wanted: str | None,
    on_progress: Callable[[dict[str, Any]], None],
    *,
    full: bool,
    accept_shrink: bool,
) -> list[dict[str, Any]]:
    """Do what the daemon would do, as its user and the only writer."""
    from agent.cli.service_user import become_owner_of  # noqa: PLC0415 - start-up time
    from agent.clock import SystemClock  # noqa: PLC0415
    from agent.connections import connect  # noqa: PLC0415
    from agent.ocpi.sync import Progress, Synchronizer  # noqa: PLC0415
    from agent.service import lock_state, visible_credentials  # noqa: PLC0415
    from agent.store.keys import CardKeys, load_key  # noqa: PLC0415
    from agent.store.whitelist import Whitelist  # noqa: PLC0415

    def report(step: Progress) -> None:
        on_progress(msgspec.to_builtins(step))

    names = [upstream.config.name for upstream in config.upstreams]
    listing = _find_listing(config, wanted)
    results = []
    become_owner_of(config.station.state_dir)
    with lock_state(config.station.state_dir):
        key = load_key(config.station.state_dir, visible_credentials())
        boot_id = SystemClock().boot_id
        whitelist = Whitelist(config.station.state_dir, CardKeys(key), boot_id, names)
        with closing(whitelist):
            for upstream in listing:
                connection = connect(config, upstream)
                name = upstream.config.name
                shrink = upstream.config.max_shrink
                synchronizer = Synchronizer(
                    name, connection, whitelist, max_shrink_percent=shrink
                )
                try:
                    result = await synchronizer.run(
                        full=full, accept_shrink=accept_shrink, on_progress=report
                    )
                finally:
                    await connection.close()
                results.append(msgspec.to_builtins(result))
    return results


def _find_listing(config: Config, wanted: str | None) -> list[Upstream]:
    """The upstreams that list tokens, or the one that is wanted."""
    listing = [one for one in config.upstreams if one.config.tokens]
    if wanted is None:
        return listing
    found = [one for one in listing if one.config.name == wanted]
    if not found:
        names = [one.config.name for one in listing]
        raise ConfigError(
            f"no upstream with tokens is called {wanted!r}; there are: {names}"
        )
    return found


@click.group()
def tokens() -> None:
    """Look into the whitelist; it holds no card numbers."""


@tokens.command()
@click.argument("uid")
@config_option
@json_option
def find(uid: str, config_path: Path, *, as_json: bool) -> None:
    """Show what the whitelist says of a card, in any spelling; exit 1 if nothing."""
    from agent.domain.uid import Uid  # noqa: PLC0415 - start-up time

    with closing(_open(load(config_path))) as reader:
        found = reader.find(Uid.parse(uid))
    if as_json:
        print_json(found)
    else:
        print_table(
            ("upstream", "party", "uid", "contract", "whitelist", "valid", "updated"),
            [
                (
                    token.upstream,
                    f"{token.country_code}*{token.party_id}",
                    token.uid,
                    token.contract_id,
                    token.whitelist,
                    "yes" if token.valid else "NO",
                    token.last_updated.isoformat(),
                )
                for token in found
            ],
            "not in the whitelist",
        )
    sys.exit(0 if found else 1)


@tokens.command("list")
@click.option("--limit", default=100, show_default=True, help="How many at most.")
@config_option
@json_option
def list_tokens(limit: int, config_path: Path, *, as_json: bool) -> None:
    """List tokens by contract and visual number."""
    with closing(_open(load(config_path))) as reader:
        rows = list(islice(reader.listed(), limit))
    if as_json:
        print_json(rows)
        return
    print_table(
        ("upstream", "party", "contract", "visual number", "whitelist", "valid"),
        [
            (
                row.upstream,
                f"{row.country_code}*{row.party_id}",
                row.contract_id,
                row.visual_number,
                row.whitelist,
                "yes" if row.valid else "NO",
            )
            for row in rows
        ],
        "the whitelist is empty",
    )


def _open(config: Config) -> TokenReader:
    from agent.service import visible_credentials  # noqa: PLC0415 - start-up time
    from agent.store.keys import CardKeys, load_key  # noqa: PLC0415
    from agent.store.token_reader import TokenReader  # noqa: PLC0415
    from agent.store.whitelist import LINK  # noqa: PLC0415

    path = config.station.state_dir / LINK
    if not path.exists():
        raise ConfigError(f"no whitelist yet at {path}; run: rfid-agent sync")
    key = load_key(config.station.state_dir, visible_credentials())
    names = [upstream.config.name for upstream in config.upstreams]
    return TokenReader(path, CardKeys(key), names)

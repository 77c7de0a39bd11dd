"""What goes into the station machine (inputs) and what comes out (effects).

Effects are performed in the order given: a `Record` is on disk before anything after
it happens, which is how "durable first, then act" is written down.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - msgspec reads the annotations
from datetime import timedelta  # noqa: TC003 - msgspec reads the annotations
from enum import Enum

from msgspec import Struct

from agent.domain.instant import Instant  # noqa: TC001 - msgspec reads them
from agent.domain.outcomes import (  # noqa: TC001
    AuthMethod,
    DecidedBy,
    EventKind,
    Ignored,
    Outcome,
    Refusal,
    Signal,
    StopReason,
)
from agent.domain.sessions import Session  # noqa: TC001
from agent.domain.tokens import Reply, Token  # noqa: TC001
from agent.domain.uid import Technology, Uid  # noqa: TC001

# ---- inputs ------------------------------------------------------------------


class CardTapped(Struct, frozen=True, kw_only=True):
    """A card arrived `at` that moment; `token` is its whitelist row.

    `fresh` is False when the row is older than the station trusts; `lying` says that
    the card lay there already when the reader was opened. `lookup_failed` says that
    the whitelist could not be read: that refuses a start and never a stop.
    """

    tap_id: str
    reader: str
    slot: str
    uid: Uid
    technology: Technology
    token: Token | None
    at: Instant | None = None
    fresh: bool = True
    lying: bool = False
    lookup_failed: bool = False


class CardUnread(Struct, frozen=True, kw_only=True):
    """Something arrived at the reader and gave no uid."""

    tap_id: str
    reader: str


class CardLifted(Struct, frozen=True):
    """The card left the field."""

    reader: str
    slot: str


class Answered(Struct, frozen=True):
    """A reply about a card: to `AskUpstream`, in time or late, or to `Revalidate`.

    `tap_id` names the tap that asked, None when nobody has been waiting. The reply
    speaks of the `evse_uids` that were asked about, and of no others.
    """

    tap_id: str | None
    uid: Uid
    evse_uids: tuple[str, ...]
    reply: Reply


class UpstreamUp(Struct, frozen=True):
    """A backend that had been silent answers again."""

    name: str


class Withdraw(Struct, frozen=True, kw_only=True):
    """Somebody takes permissions back and stops sessions; answered by `Withdrawn`.

    What is given narrows it down, and nothing given means everything. `reason` is
    OPERATOR or REMOTE.
    """

    request_id: str
    reason: StopReason
    evse_uid: str | None = None
    uid: Uid | None = None
    session_id: str | None = None


class VehicleConnected(Struct, frozen=True):
    """A vehicle is plugged in; repeated when it begins to draw energy, or pauses."""

    evse_uid: str
    drawing: bool = False


class VehicleDisconnected(Struct, frozen=True):
    """The vehicle was unplugged."""

    evse_uid: str


class MeterRead(Struct, frozen=True):
    """The energy register's reading."""

    evse_uid: str
    wh: int


class ChargerFaulted(Struct, frozen=True):
    """The charger reports a fault."""

    evse_uid: str
    name: str


class ChargerCleared(Struct, frozen=True):
    """The fault is gone."""

    evse_uid: str


class ChargerLost(Struct, frozen=True):
    """Nobody can talk to the charger; what it does is unknown."""

    evse_uid: str


class ChargerFound(Struct, frozen=True, kw_only=True):
    """The charger's real state, at start-up and whenever it comes back."""

    evse_uid: str
    connected: bool
    enabled: bool
    wh: int | None
    fault: str | None
    drawing: bool = False


class EnergyEnabled(Struct, frozen=True):
    """The charger confirmed `EnableEnergy`."""

    evse_uid: str
    session_id: str


class EnableFailed(Struct, frozen=True):
    """The charger refused `EnableEnergy` or did not confirm in time."""

    evse_uid: str
    session_id: str
    reason: str


class EnergyDisabled(Struct, frozen=True):
    """The charger confirmed `DisableEnergy`; `wh` is the register after it."""

    evse_uid: str
    session_id: str | None
    wh: int | None


class DisableFailed(Struct, frozen=True):
    """The charger could not be told; it will be, as soon as it is found again."""

    evse_uid: str
    session_id: str | None
    reason: str


class Reloaded(Struct, frozen=True):
    """The settings are new: what was granted at a reader that is gone has no place."""


class Closing(Struct, frozen=True):
    """The station is about to stop: nobody waits for an answer any more."""


class Tick(Struct, frozen=True):
    """Time passed; sent when `next_deadline` is due."""


Input = (
    CardTapped
    | CardUnread
    | CardLifted
    | Answered
    | UpstreamUp
    | Withdraw
    | VehicleConnected
    | VehicleDisconnected
    | MeterRead
    | ChargerFaulted
    | ChargerCleared
    | ChargerLost
    | ChargerFound
    | EnergyEnabled
    | EnableFailed
    | EnergyDisabled
    | DisableFailed
    | Reloaded
    | Closing
    | Tick
)


class Context(Struct, frozen=True, kw_only=True):
    """What one step may use from the world.

    `new_id` names the sessions that this step may start. `storage_ok` is
    False when recording the same step's effects just failed: starts are refused then
    and stops happen all the same.
    """

    now: Instant
    new_id: Callable[[], str]
    storage_ok: bool = True


# ---- effects -----------------------------------------------------------------


class Change(Enum):
    """Why a session is recorded; START and END are reported, and both must arrive.

    PENDING announces the session of a grant; START follows, or an END. READING keeps a
    meter reading, UPDATE reports it as well. STOP is the decision to stop, END what the
    meter said once energy was off.
    """

    PENDING = "pending"
    START = "start"
    READING = "reading"
    UPDATE = "update"
    STOP = "stop"
    END = "end"


class Record(Struct, frozen=True):
    """Make the session durable, and its report together with it."""

    change: Change
    session: Session


class EnableEnergy(Struct, frozen=True):
    """Let energy flow for this session; answered by EnergyEnabled or EnableFailed."""

    evse_uid: str
    session_id: str


class DisableEnergy(Struct, frozen=True):
    """Stop energy; answered by EnergyDisabled or DisableFailed.

    `session_id` is the session that ends with it, None if there is none.
    """

    evse_uid: str
    session_id: str | None


class AskUpstream(Struct, frozen=True, kw_only=True):
    """Ask for a real-time authorization; answered by Answered, or by the deadline.

    `token` is the whitelist row, None for an unknown card; `deadline` is monotonic.
    """

    tap_id: str
    uid: Uid
    token: Token | None
    evse_uids: tuple[str, ...]
    deadline: timedelta


class Revalidate(Struct, frozen=True):
    """Ask in the background about a card that was allowed without asking.

    `token` is None for an unknown card; answered by Answered.
    """

    uid: Uid
    token: Token | None
    evse_uids: tuple[str, ...]


class Withdrawn(Struct, frozen=True, kw_only=True):
    """What a `Withdraw` has found: waiting cards, unused grants, running sessions."""

    request_id: str
    waiting: int
    grants: int
    sessions: int


class Show(Struct, frozen=True):
    """Show a signal at a reader."""

    reader: str
    signal: Signal


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened, for the log and every other sink.

    An event with an `outcome` is the one that ends the tap `tap_id`, the grant that
    the tap `grant_id` was given, or both. `uid` is for fingerprints and never
    printed. The card was tapped at `tapped_at`, the matter decided at `decided_at`
    and done at `at`.
    """

    kind: EventKind
    at: Instant
    tap_id: str | None = None
    grant_id: str | None = None
    reader: str | None = None
    evse_uid: str | None = None
    session_id: str | None = None
    uid: Uid | None = None
    outcome: Outcome | None = None
    reason: Refusal | Ignored | StopReason | None = None
    decided_by: DecidedBy | None = None
    auth_method: AuthMethod | None = None
    tapped_at: Instant | None = None
    decided_at: Instant | None = None
    energy_wh: int | None = None
    info: str | None = None
    flagged: bool = False


Effect = (
    Record
    | EnableEnergy
    | DisableEnergy
    | AskUpstream
    | Revalidate
    | Withdrawn
    | Show
    | Event
)

"""The few rules that a test must know by itself, told in another way than the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from agent.domain.messages import Answered
from agent.domain.outcomes import Ignored, Signal
from agent.domain.sessions import SessionStatus
from agent.domain.tokens import Answer, Token, Verdict, WhitelistType

if TYPE_CHECKING:
    from agent.domain.instant import Instant
    from agent.domain.messages import CardTapped, Input
    from agent.domain.sessions import Session
    from agent.domain.settings import Settings
    from agent.domain.station import Evse, Station

SHARED_LIMIT_S = 300
UNBILLED = (SessionStatus.PENDING, SessionStatus.INVALID)


@dataclass
class Heard:
    """A tap, and the answer about it if one came in time."""

    tapped: CardTapped
    answer: Answer | None = None

    @property
    def token(self) -> Token | None:
        """The freshest token that anybody has told."""
        return (self.answer.token if self.answer else None) or self.tapped.token


def may_stop(heard: Heard, session: Session, settings: Settings) -> bool:
    """Whether a card may stop a session: its own always, a colleague's if allowed."""
    if session.card == heard.tapped.uid.value:
        return True
    token = heard.token
    if token is None or not token.group_id or not _is_allowed(heard, session.evse_uid):
        return False
    if _is_of_master(token, settings):
        return True
    group = token.group_id.casefold()
    mine = f"{token.country_code}*{token.party_id}*{group}"
    theirs = f"{session.token.country_code}*{session.token.party_id}"
    return mine.casefold() == f"{theirs}*{session.group_id}".casefold()


def _is_allowed(heard: Heard, evse_uid: str) -> bool:
    answer, row = heard.answer, heard.tapped.token
    listed = (
        row is not None
        and row.valid
        and row.whitelist is not WhitelistType.NEVER
        and heard.tapped.fresh
    )
    if answer is None:
        return listed
    limit = answer.evse_uids
    here = not limit or evse_uid.casefold() in limit
    return answer.verdict is Verdict.ALLOWED and here


def may_be_ignored(
    tapped: CardTapped,
    reason: Ignored,
    before: Station,
    after: Station,
    settings: Settings,
) -> bool:
    """Whether a tap may be ignored for this reason; the other reasons tell more.

    What was overdue has come before it in the same step, and may have locked it.
    """
    uid = tapped.uid
    if reason is Ignored.LOCKOUT:
        in_field = before.fields.get((tapped.reader, tapped.slot)) == uid
        locks = before.locks | after.locks
        return in_field or (tapped.reader, uid) in locks or tapped.lying
    if reason is Ignored.ALREADY_IN_PROCESS:
        if any(check.claim.uid == uid for check in before.checks.values()):
            return True
        evses = [before.evses[one] for one in settings.readers[tapped.reader]]
        stopping = [
            evse.session
            for evse in evses
            if evse.session and evse.session.stop_reason and evse.reachable
        ]
        token = tapped.token
        is_master = token is not None and _is_of_master(token, settings)
        return is_master or any(session.belongs_to(uid) for session in stopping)
    return True


def _is_of_master(token: Token, settings: Settings) -> bool:
    master = settings.master_group.casefold()
    return bool(master) and (token.group_id or "").casefold() == master


def is_available(
    station: Station, settings: Settings, reader: str, evse_uid: str, now: Instant
) -> bool:
    """Whether an EVSE could take a session of a card at this reader."""
    evse = station.evses[evse_uid]
    waits = _invites(evse, settings, reader, now.monotonic)
    return (
        evse.reachable
        and evse.session is None
        and (settings.ignore_faults or not evse.fault)
        and (settings.tap_before_plug or waits)
        and all(grant.evse_uids != (evse_uid,) for grant in station.grants)
    )


def may_be_deauthorized(session: Session, message: Input) -> bool:
    """Whether this message can have ended the permission of a running session."""
    if not isinstance(message, Answered):
        return session.is_capped
    answer = message.reply
    asked = session.belongs_to(message.uid) and session.evse_uid in message.evse_uids
    return asked and isinstance(answer, Answer) and not answer.allows(session.evse_uid)


def check_price(session: Session) -> None:
    """See that a session costs what its time and energy do, if anything."""
    assert session.duration >= timedelta()
    price = session.cost
    if price is None:
        assert session.tariff is None or session.status in UNBILLED
        return
    tariff = session.tariff
    assert tariff is not None
    assert session.status not in UNBILLED
    minutes = Fraction(session.duration // timedelta(seconds=1), 60)
    parts = (
        (price.energy, Fraction(tariff.per_kwh) * session.energy_wh / 1000),
        (price.time, Fraction(tariff.per_minute) * minutes),
        (price.fixed, Fraction(tariff.per_session)),
    )
    for amount, minor in parts:
        net = _half_up(minor)
        unit = 10**tariff.minor_digits
        assert Fraction(amount.excl_vat) == Fraction(net, unit)
        vat = _half_up(net * Fraction(tariff.vat_percent) / 100)
        assert Fraction(amount.vat) == Fraction(vat, unit)


def _half_up(number: Fraction) -> int:
    return int(number + Fraction(1, 2))


def expected_signal(
    station: Station, settings: Settings, reader: str, now: Instant
) -> Signal:
    """What a reader shows when it shows no verdict."""
    checks = [one for one in station.checks.values() if one.claim.reader == reader]
    if checks:
        told = any(check.patience is None for check in checks)
        return Signal.CHECKING if told else Signal.READING
    evses = [station.evses[uid] for uid in settings.readers[reader]]
    works = [
        evse
        for evse in evses
        if evse.reachable and (settings.ignore_faults or not evse.fault)
    ]
    free = [evse for evse in works if evse.session is None]
    if not works:
        return Signal.ERROR
    if any(grant.claim.reader == reader for grant in station.grants):
        return Signal.ACCEPTED
    if any(_invites(evse, settings, reader, now.monotonic) for evse in free):
        return Signal.LOCKED
    return Signal.READY if free else Signal.CHARGING


def _invites(evse: Evse, settings: Settings, reader: str, now: timedelta) -> bool:
    if evse.plugged_at is None or evse.fault:
        return False
    waited_s = (now - evse.plugged_at).total_seconds()
    if settings.plug_in_timeout is not None:
        limit_s = settings.plug_in_timeout.total_seconds()
        return not limit_s or waited_s < limit_s
    return len(settings.readers[reader]) == 1 or waited_s < SHARED_LIMIT_S

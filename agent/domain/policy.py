"""May this token charge? One pure function over what is known (OCPI mod_tokens)."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from msgspec import Struct

from agent.domain.outcomes import AuthMethod, DecidedBy, Refusal
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)


class OnlineMode(StrEnum):
    """What a valid ALLOWED token does while its eMSP can be asked."""

    LOCAL_FIRST = "local-first"
    ONLINE_FIRST = "online-first"
    LOCAL_ONLY = "local-only"


class OfflineMode(StrEnum):
    """What decides when nobody answers."""

    WHITELIST = "whitelist"
    ALLOW_UNKNOWN = "allow-unknown"
    DENY = "deny"


class Modes(Struct, frozen=True):
    """The configured choices; `ask_unknown`: some upstream takes unknown cards."""

    online: OnlineMode = OnlineMode.LOCAL_FIRST
    offline: OfflineMode = OfflineMode.WHITELIST
    ask_unknown: bool = True


class Allow(Struct, frozen=True):
    """Charge; `revalidate` asks in the background, `flagged` marks an unknown card.

    `token` is the freshest known, None if nobody has told us any; `upstream` is who
    answered, None if nobody was asked.
    """

    token: Token | None
    auth_method: AuthMethod
    decided_by: DecidedBy
    revalidate: bool = False
    flagged: bool = False
    evse_uids: frozenset[str] = frozenset()
    authorization_reference: str | None = None
    info: str | None = None
    upstream: str | None = None

    def covers(self, evse_uid: str) -> bool:
        """Whether it holds at this EVSE."""
        return not self.evse_uids or evse_uid.casefold() in self.evse_uids


class Ask(Struct, frozen=True):
    """Only an answer, or its absence, can decide."""


class Refuse(Struct, frozen=True):
    """Do not charge; `info` is the eMSP's text for the driver."""

    reason: Refusal
    decided_by: DecidedBy
    info: str | None = None


Decision = Allow | Ask | Refuse

_BY_WHITELIST = (AuthMethod.WHITELIST, DecidedBy.WHITELIST)
_REFUSED_VERDICTS = {
    Verdict.BLOCKED: Refusal.BLOCKED,
    Verdict.EXPIRED: Refusal.EXPIRED,
    Verdict.NO_CREDIT: Refusal.NO_CREDIT,
    Verdict.NOT_ALLOWED: Refusal.NOT_ALLOWED,
    Verdict.UNKNOWN: Refusal.UNKNOWN_TOKEN,
}


def decide(
    token: Token | None, reply: Reply | None, modes: Modes, *, fresh: bool = True
) -> Decision:
    """Apply the whitelist table to one card.

    `token` is None when the card is not listed; `reply` is None as long as nobody
    was asked, and only then can the decision be Ask. A row that is not `fresh`
    decides nothing by itself: only an answer lets its card charge.
    """
    if token is not None and token.whitelist is WhitelistType.ALWAYS and fresh:
        # OCPI forbids the call for ALWAYS, so nobody can overrule valid=False.
        return _trust(token)
    stale = token is not None and not fresh
    match reply:
        case None:
            return Ask() if stale else _decide_before_asking(token, modes)
        case Answer():
            return _obey(token, reply)
        case NoAnswer() if stale:
            return Refuse(Refusal.OFFLINE_NOT_PERMITTED, DecidedBy.OFFLINE_POLICY)
        case NoAnswer():
            return _decide_without_answer(token, modes)
        case Misconfigured():
            return Refuse(Refusal.MISCONFIGURED, DecidedBy.REALTIME)
        case _:
            assert_never(reply)


def _decide_before_asking(token: Token | None, modes: Modes) -> Decision:
    if token is None:
        if modes.ask_unknown:
            return Ask()
        return Refuse(Refusal.UNKNOWN_TOKEN, DecidedBy.WHITELIST)
    if token.whitelist is WhitelistType.ALLOWED:
        if modes.online is OnlineMode.LOCAL_ONLY:
            return _trust(token)
        if modes.online is OnlineMode.LOCAL_FIRST and token.valid:
            return Allow(token, *_BY_WHITELIST, revalidate=True)
    return Ask()


def _trust(token: Token) -> Decision:
    if token.valid:
        return Allow(token, *_BY_WHITELIST)
    return Refuse(Refusal.INVALID, DecidedBy.WHITELIST)


def _obey(listed: Token | None, answer: Answer) -> Decision:
    if answer.verdict is not Verdict.ALLOWED:
        reason = _REFUSED_VERDICTS[answer.verdict]
        return Refuse(reason, DecidedBy.REALTIME, answer.info)
    return Allow(
        answer.token or listed,
        AuthMethod.AUTH_REQUEST,
        DecidedBy.REALTIME,
        evse_uids=answer.evse_uids,
        authorization_reference=answer.authorization_reference,
        info=answer.info,
        upstream=answer.upstream,
    )


def _decide_without_answer(token: Token | None, modes: Modes) -> Decision:
    if token is None:
        if modes.offline is OfflineMode.ALLOW_UNKNOWN:
            method, source = AuthMethod.WHITELIST, DecidedBy.OFFLINE_POLICY
            return Allow(None, method, source, flagged=True)
        return Refuse(Refusal.UNKNOWN_TOKEN, DecidedBy.OFFLINE_POLICY)
    if token.whitelist is WhitelistType.NEVER:
        return Refuse(Refusal.OFFLINE_NOT_PERMITTED, DecidedBy.OFFLINE_POLICY)
    # OCPI says a CPO *shall* allow ALWAYS and ALLOWED_OFFLINE, so `deny` cannot bite.
    denied = (
        modes.offline is OfflineMode.DENY and token.whitelist is WhitelistType.ALLOWED
    )
    if token.valid and denied:
        return Refuse(Refusal.OFFLINE_NOT_PERMITTED, DecidedBy.OFFLINE_POLICY)
    return _trust(token)

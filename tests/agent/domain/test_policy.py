"""The whole table of who may charge: every whitelist kind, reply and mode."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest

from agent.domain.outcomes import AuthMethod, DecidedBy, Refusal
from agent.domain.policy import (
    Allow,
    Ask,
    Decision,
    Modes,
    OfflineMode,
    OnlineMode,
    Refuse,
    decide,
)
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)
from tests.fakes.cards import token_of

ALWAYS, ALLOWED = WhitelistType.ALWAYS, WhitelistType.ALLOWED
ALLOWED_OFFLINE, NEVER = WhitelistType.ALLOWED_OFFLINE, WhitelistType.NEVER

NO_ANSWER = NoAnswer("connection refused")
MISCONFIGURED = Misconfigured("HTTP 401")

Row = tuple[WhitelistType | None, bool | None]
EVERY_ROW: list[Row] = [*product(WhitelistType, (True, False)), (None, None)]


class Before(NamedTuple):
    """What is decided before anybody was asked, by online mode."""

    whitelist: WhitelistType | None
    valid: bool | None
    local_first: str
    online_first: str
    local_only: str


BEFORE = [
    # whitelist, valid, local-first, online-first, local-only
    Before(ALWAYS, True, "allow", "allow", "allow"),
    Before(ALWAYS, False, "invalid", "invalid", "invalid"),
    Before(ALLOWED, True, "allow, revalidate", "ask", "allow"),
    Before(ALLOWED, False, "ask", "ask", "invalid"),
    Before(ALLOWED_OFFLINE, True, "ask", "ask", "ask"),
    Before(ALLOWED_OFFLINE, False, "ask", "ask", "ask"),
    Before(NEVER, True, "ask", "ask", "ask"),
    Before(NEVER, False, "ask", "ask", "ask"),
    Before(None, None, "ask", "ask", "ask"),
]


class Without(NamedTuple):
    """What is decided when nobody answers in time, by offline mode."""

    whitelist: WhitelistType | None
    valid: bool | None
    by_whitelist: str
    allow_unknown: str
    deny: str


NOT_OFFLINE = "offline_not_permitted"
WITHOUT_ANSWER = [
    # whitelist, valid, whitelist, allow-unknown, deny
    Without(ALWAYS, True, "allow", "allow", "allow"),
    Without(ALWAYS, False, "invalid", "invalid", "invalid"),
    Without(ALLOWED, True, "allow", "allow", NOT_OFFLINE),
    Without(ALLOWED, False, "invalid", "invalid", "invalid"),
    Without(ALLOWED_OFFLINE, True, "allow", "allow", "allow"),
    Without(ALLOWED_OFFLINE, False, "invalid", "invalid", "invalid"),
    Without(NEVER, True, NOT_OFFLINE, NOT_OFFLINE, NOT_OFFLINE),
    Without(NEVER, False, NOT_OFFLINE, NOT_OFFLINE, NOT_OFFLINE),
    Without(None, None, "unknown_token", "allow, flagged", "unknown_token"),
]

# OCPI forbids the call, so a reply that comes all the same decides nothing.
NEVER_ASKED: dict[Row, str] = {(ALWAYS, True): "allow", (ALWAYS, False): "invalid"}

VERDICTS = {
    Verdict.ALLOWED: "allow by request",
    Verdict.BLOCKED: "blocked",
    Verdict.EXPIRED: "expired",
    Verdict.NO_CREDIT: "no_credit",
    Verdict.NOT_ALLOWED: "not_allowed",
    Verdict.UNKNOWN: "unknown_token",
}


def _token(row: Row) -> Token | None:
    whitelist, valid = row
    if whitelist is None or valid is None:
        return None
    return token_of("A", whitelist, valid=valid)


def _say(decision: Decision) -> str:
    match decision:
        case Ask():
            return "ask"
        case Refuse(reason):
            return f"{reason}"
        case Allow():
            asked = decision.auth_method is AuthMethod.AUTH_REQUEST
            return (
                "allow"
                + " by request" * asked
                + ", revalidate" * decision.revalidate
                + ", flagged" * decision.flagged
            )


def _modes() -> list[Modes]:
    kinds = product(OnlineMode, OfflineMode, (True, False))
    return [Modes(online, offline, unknown) for online, offline, unknown in kinds]


@pytest.mark.parametrize("row", BEFORE, ids=str)
def test_before_anybody_was_asked(row: Before) -> None:
    """Only the online mode decides whether a listed card has to wait for an answer."""
    by_mode = {
        OnlineMode.LOCAL_FIRST: row.local_first,
        OnlineMode.ONLINE_FIRST: row.online_first,
        OnlineMode.LOCAL_ONLY: row.local_only,
    }
    assert by_mode.keys() == set(OnlineMode)
    token = _token(row[:2])
    for (online, expected), offline in product(by_mode.items(), OfflineMode):
        assert _say(decide(token, None, Modes(online, offline))) == expected


@pytest.mark.parametrize("row", WITHOUT_ANSWER, ids=str)
def test_without_an_answer(row: Without) -> None:
    """Only the offline mode decides when nobody answers before the deadline."""
    by_mode = {
        OfflineMode.WHITELIST: row.by_whitelist,
        OfflineMode.ALLOW_UNKNOWN: row.allow_unknown,
        OfflineMode.DENY: row.deny,
    }
    assert by_mode.keys() == set(OfflineMode)
    token = _token(row[:2])
    for (offline, expected), online in product(by_mode.items(), OnlineMode):
        assert _say(decide(token, NO_ANSWER, Modes(online, offline))) == expected


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("row", EVERY_ROW, ids=str)
def test_with_an_answer(row: Row, verdict: Verdict) -> None:
    """An answer rules over every row and mode, except that ALWAYS is never asked."""
    expected = NEVER_ASKED.get(row, VERDICTS[verdict])
    answer = Answer(upstream="cpo", verdict=verdict)
    for modes in _modes():
        assert _say(decide(_token(row), answer, modes)) == expected


@pytest.mark.parametrize("row", EVERY_ROW, ids=str)
def test_misconfigured_is_not_offline(row: Row) -> None:
    """63: a backend that turns us away refuses the card, whatever offline mode says."""
    expected = NEVER_ASKED.get(row, "misconfigured")
    for modes in _modes():
        assert _say(decide(_token(row), MISCONFIGURED, modes)) == expected


@pytest.mark.parametrize("online", OnlineMode)
def test_unknown_card_with_nobody_to_ask(online: OnlineMode) -> None:
    """A card in no list is refused at once if no upstream takes unknown cards."""
    for offline in (OfflineMode.WHITELIST, OfflineMode.DENY):
        decision = decide(None, None, Modes(online, offline, ask_unknown=False))
        assert decision == Refuse(Refusal.UNKNOWN_TOKEN, DecidedBy.WHITELIST)


@pytest.mark.parametrize("token", [_token(row) for row in EVERY_ROW], ids=repr)
def test_only_an_unasked_card_is_asked_about(token: Token | None) -> None:
    """Once there is a reply of any kind, nobody is asked a second time."""
    replies: list[Reply] = [
        NO_ANSWER,
        MISCONFIGURED,
        *(Answer(upstream="cpo", verdict=verdict) for verdict in Verdict),
    ]
    for reply, modes in product(replies, _modes()):
        assert not isinstance(decide(token, reply, modes), Ask)


def test_answer_hands_on_what_the_session_needs() -> None:
    """The fresher token, the place, the reference and the text come from the answer."""
    fresher = token_of("A", NEVER)
    answer = Answer(
        upstream="cpo",
        verdict=Verdict.ALLOWED,
        token=fresher,
        evse_uids=frozenset({"e1"}),
        authorization_reference="REF-1",
        info="Welcome",
    )
    expected = Allow(
        fresher,
        AuthMethod.AUTH_REQUEST,
        DecidedBy.REALTIME,
        evse_uids=frozenset({"e1"}),
        authorization_reference="REF-1",
        info="Welcome",
        upstream="cpo",
    )
    assert decide(token_of("A", ALLOWED, valid=False), answer, Modes()) == expected


def test_answer_without_a_token_leaves_the_listed_one() -> None:
    """The whitelist row is the freshest token when the answer carries none."""
    listed = token_of("A", NEVER)
    decision = decide(listed, Answer(upstream="cpo", verdict=Verdict.ALLOWED), Modes())
    assert isinstance(decision, Allow)
    assert decision.token == listed


def test_refusing_answer_keeps_its_text() -> None:
    """What the eMSP tells the driver survives a refusal."""
    answer = Answer(upstream="cpo", verdict=Verdict.NO_CREDIT, info="Top up")
    expected = Refuse(Refusal.NO_CREDIT, DecidedBy.REALTIME, "Top up")
    assert decide(token_of("A", NEVER), answer, Modes()) == expected


def test_who_decided_is_told() -> None:
    """Each source of a decision is named as what it is."""
    always, never = token_of("A", ALWAYS), token_of("A", NEVER)
    unknown = Modes(offline=OfflineMode.ALLOW_UNKNOWN)
    answer = Answer(upstream="cpo", verdict=Verdict.ALLOWED)
    table = [
        (decide(always, None, Modes()), DecidedBy.WHITELIST),
        (decide(never, answer, Modes()), DecidedBy.REALTIME),
        (decide(never, NO_ANSWER, Modes()), DecidedBy.OFFLINE_POLICY),
        (decide(None, NO_ANSWER, unknown), DecidedBy.OFFLINE_POLICY),
    ]
    for decision, source in table:
        assert not isinstance(decision, Ask)
        assert decision.decided_by is source


@pytest.mark.parametrize("table", [BEFORE, WITHOUT_ANSWER], ids=["before", "without"])
def test_tables_have_every_row_once(table: list[Before] | list[Without]) -> None:
    """A new WhitelistType fails here until both tables have its two rows."""
    rows = [(row.whitelist, row.valid) for row in table]
    assert sorted(rows, key=str) == sorted(EVERY_ROW, key=str)


def test_every_verdict_has_its_decision() -> None:
    """A new Verdict fails here until the table says what it means."""
    assert VERDICTS.keys() == set(Verdict)

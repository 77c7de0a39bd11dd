"""What the sample backend knows, and what it has been asked and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from msgspec import UNSET, Struct

from agent.demo.objects import ObjectError, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.demo.objects import AllowedType, Token

UNKNOWN: Final = "UNKNOWN"
ALLOWED: Final = "ALLOWED"


class Question(Struct, frozen=True, kw_only=True):
    """A card that was asked about, and the answer: an AllowedType or UNKNOWN."""

    uid: str
    answer: str
    authorization_reference: str | None = None


class Objection(Struct, frozen=True):
    """A request that broke a rule."""

    request: str
    rule: str


Heard = Question | Session | Objection


class Memory:
    """One eMSP's cards, questions and sessions; it outlives the server.

    `answers` is the real-time word on each card by uid; a card without one is
    unknown. `hear` is told of everything that arrives, on the server's thread.
    """

    def __init__(
        self,
        tokens: Iterable[Token],
        answers: Mapping[str, AllowedType],
        locations: Iterable[str],
        hear: Callable[[Heard], None] = lambda _: None,
    ) -> None:
        self.tokens = list(tokens)
        self.locations = {location.casefold() for location in locations}
        self.questions: list[Question] = []
        #: Every state of every session, oldest first, by session id.
        self.sessions: dict[str, list[Session]] = {}
        self.objections: list[Objection] = []
        self._answers = {uid.casefold(): answer for uid, answer in answers.items()}
        self._hear = hear

    def find(self, uid: str, token_type: str) -> Token | None:
        """Find a Token; CiStrings know no case."""
        wanted = uid.casefold(), token_type
        for token in self.tokens:
            if (token.uid.casefold(), token.type) == wanted:
                return token
        return None

    def answer(self, uid: str, token_type: str) -> tuple[Question, Token | None]:
        """Say in real time whether a card may charge, and remember the question."""
        token = self.find(uid, token_type)
        answer = self._answers.get(uid.casefold()) if token else None
        reference = str(uuid4()) if answer == ALLOWED else None
        question = Question(
            uid=uid, answer=answer or UNKNOWN, authorization_reference=reference
        )
        self.questions.append(question)
        self._hear(question)
        return question, token

    def latest(self, session_id: str) -> Session | None:
        """What was last said of a session."""
        history = self.sessions.get(session_id)
        return history[-1] if history else None

    def keep(self, session: Session) -> None:
        """Take a session, unless it is booked on something that is not ours."""
        self._check_booking(session)
        self.sessions.setdefault(session.id, []).append(session)
        self._hear(session)

    def object_to(self, objection: Objection) -> None:
        """Remember a request that broke a rule."""
        self.objections.append(objection)
        self._hear(objection)

    def _check_booking(self, session: Session) -> None:
        booked = session.cdr_token
        token = self.find(booked.uid, booked.type)
        if token is None or token.contract_id != booked.contract_id:
            raise ObjectError("cdr_token: expected a Token of ours")
        if session.location_id.casefold() not in self.locations:
            raise ObjectError("location_id: expected a Location we know")
        given = {
            question.authorization_reference
            for question in self.questions
            if question.uid.casefold() == booked.uid.casefold()
        } - {None}
        reference = session.authorization_reference
        if reference is UNSET:
            if session.auth_method == "AUTH_REQUEST":
                raise ObjectError("authorization_reference: required, we gave one")
        elif reference not in given:
            raise ObjectError("authorization_reference: expected one we gave")

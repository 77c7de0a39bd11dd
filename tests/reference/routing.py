"""What a hub does with a request: pass it on, or say why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.headers import TO, read_party
from tests.reference.messages import RefusalError
from tests.reference.tokens import fold_party, is_same

if TYPE_CHECKING:
    from tests.reference.state import Asked, State
    from tests.reference.tokens import Party
    from tests.reference.values import JsonObject


def check_trouble(state: State, receiver: Party) -> None:
    """Refuse what would go to a party behind the hub that is in trouble."""
    troubled = {fold_party(one): code for one, code in state.hub_trouble.items()}
    code = troubled.get(fold_party(receiver))
    if code is not None:
        raise RefusalError(code, "the hub cannot reach the receiver")


def check_receiver(asked: Asked, body: JsonObject) -> None:
    """Let a hub pass a Session or CDR on to the owner of the token, and only there."""
    if asked.state.settings.hub is None or asked.version == "2.1.1":
        return
    token = body["cdr_token"]
    owner = token["country_code"], token["party_id"]
    receiver = read_party(asked.request, TO)
    if receiver is None or not is_same(receiver, owner):
        asked.refuse("routing", f"OCPI-to: {receiver}, but the token is of {owner}")
    check_trouble(asked.state, owner)

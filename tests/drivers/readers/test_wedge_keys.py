"""What a keyboard-wedge reader types, key by key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameError
from drivers.readers.formats.framing import FORGET_S
from drivers.readers.wedge_keys import (
    CHARACTERS,
    ENDS,
    EV_KEY,
    EV_SYN,
    KEY_ENTER,
    MAX_CHARACTERS,
    MODIFIERS,
    PAUSE_S,
    SYN_DROPPED,
    Garbled,
    KeyDecoder,
    KeyEvent,
    Typed,
)

OPENED_AT = -1.0  # A second before the earliest key
EV_MSC = 4
KEY_Q = 16
KEY_F1 = 59
LEFT_SHIFT = 42
KEYPAD = dict(zip("7894561230", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82), strict=True))
MAIN_ROW = {"1": 2, "2": 3, "3": 4, "9": 10, "0": 11, "A": 30, "F": 33}


def parse(text: str) -> bytes:
    """Read what was typed, which is a number unless it has a dot."""
    if "." in text:
        raise FrameError("expected no dot")
    return text.encode()


def pressed(*codes: int, at: float = 10, every: float = 0.016) -> list[KeyEvent]:
    """Press and release keys one after another."""
    return [
        KeyEvent(EV_KEY, code, value, at + count * every)
        for count, code in enumerate(codes)
        for value in (1, 0)
    ]


def feed(*events: KeyEvent) -> list[Typed | Garbled]:
    """Play the events at a fresh decoder; return what they end."""
    decoder = KeyDecoder(parse, OPENED_AT)
    return [ended for event in events if (ended := decoder.feed(event))]


def typed(text: str, ended_at: float) -> Typed:
    """Name a number that was typed."""
    return Typed(text.encode(), ended_at)


def reasons(ended: list[Typed | Garbled]) -> list[str]:
    """Say of each what was wrong with it; empty for a number."""
    return [one.reason if isinstance(one, Garbled) else "" for one in ended]


def code_of(character: str) -> int:
    """Find the first key of a character."""
    return next(code for code, one in CHARACTERS.items() if one == character)


@pytest.mark.parametrize("keys", [MAIN_ROW, KEYPAD])
def test_main_row_and_keypad(keys: dict[str, int]) -> None:
    """Digits of both, and letters, are what is printed on the keys."""
    assert feed(*pressed(*keys.values(), KEY_ENTER, every=0)) == [
        typed("".join(keys), 10)
    ]


@pytest.mark.parametrize("end", sorted(ENDS))
def test_every_end_ends(end: int) -> None:
    """Enter of both blocks, and Tab."""
    assert feed(*pressed(2, 3, end, every=0)) == [typed("12", 10)]


def test_two_ends_make_one_number() -> None:
    """The second ends nothing."""
    assert feed(*pressed(2, 3, 28, 15, 96, every=0)) == [typed("12", 10)]


@pytest.mark.parametrize("modifier", sorted(MODIFIERS))
def test_modifiers_change_nothing(modifier: int) -> None:
    """A reader that writes capitals holds shift; one for France holds it for digits."""
    events = [KeyEvent(EV_KEY, modifier, 1, 10)]
    for code in (30, 2, 33):
        events += pressed(code)
        events.append(KeyEvent(EV_KEY, modifier, 2, 10))
    events.append(KeyEvent(EV_KEY, modifier, 0, 10))
    assert feed(*events, *pressed(KEY_ENTER)) == [typed("A1F", 10)]


def test_only_pressing_counts() -> None:
    """Releases, repeats of a held key, and other events type nothing."""
    others = [
        KeyEvent(EV_KEY, 2, 2, 10),
        KeyEvent(EV_KEY, KEY_F1, 0, 10),
        KeyEvent(EV_KEY, KEY_F1, 2, 10),
        KeyEvent(EV_MSC, 4, 458756, 10),
        KeyEvent(EV_SYN, 0, 0, 10),
        KeyEvent(EV_KEY, KEY_ENTER, 2, 10),
    ]
    assert feed(*pressed(2), *others, *pressed(3), *others, *pressed(KEY_ENTER)) == [
        typed("12", 10)
    ]


def test_one_number_after_another() -> None:
    """Nothing of one is in the next, and each has its moment."""
    first = pressed(2, 3, KEY_ENTER, at=10, every=0.1)
    second = pressed(4, 4, KEY_ENTER, at=10.3, every=0.1)
    assert feed(*first, *second) == [typed("12", 10.2), typed("33", 10.5)]


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ((2, KEY_Q, 3, KEY_ENTER), "a key was typed that no number has"),
        ((KEY_F1, KEY_ENTER), "a key was typed that no number has"),
        ((2, 52, 3, KEY_ENTER), "expected no dot"),
        ((2,) * (MAX_CHARACTERS + 1) + (KEY_ENTER,), "at most 40 keys"),
    ],
)
def test_garbage_is_dropped_as_a_whole(codes: tuple[int, ...], reason: str) -> None:
    """What is good of it could be another card's number; the next one is fine."""
    ended = feed(*pressed(*codes, every=0), *pressed(2, 3, KEY_ENTER, every=0))
    assert len(ended) == 2
    assert reason in reasons(ended)[0]
    assert ended[1] == typed("12", 10)


def test_the_longest_number() -> None:
    """As long as the limit is allowed."""
    ended = feed(*pressed(*(2,) * MAX_CHARACTERS, KEY_ENTER, every=0))
    assert ended == [typed("1" * MAX_CHARACTERS, 10)]


def test_a_short_pause_is_none() -> None:
    """A slow reader types one number."""
    events = [*pressed(2, 3, every=0), *pressed(4, KEY_ENTER, at=10.299, every=0)]
    assert feed(*events) == [typed("123", 10.299)]


@pytest.mark.parametrize("pause", [0.301, FORGET_S - 0.01])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_number_with_a_pause_in_it_is_none(pause: float, cut: int) -> None:
    """Neither half is another card's number, and the next one is whole."""
    keys = (2, 3, 4, KEY_ENTER)
    at = 10 + pause
    first = pressed(*keys[:cut], every=0)
    rest = pressed(*keys[cut:], *keys, at=at, every=0)
    ended = feed(*first, *rest)
    assert reasons(ended) == ["its keys came with a pause in between", ""]
    assert ended[1] == typed("123", at)


@pytest.mark.parametrize("code", [2, KEY_F1])
def test_what_is_not_ended_is_forgotten_in_the_end(code: int) -> None:
    """A key that somebody pressed once spoils no number of later."""
    at = 10 + FORGET_S + 0.01
    assert feed(*pressed(code), *pressed(3, KEY_ENTER, at=at, every=0)) == [
        typed("2", at)
    ]


@pytest.mark.parametrize("late", [0.0, 0.1, PAUSE_S - 0.01])
def test_the_rest_of_a_number_is_none(late: float) -> None:
    """Whoever opens the keyboard in the middle of one does not hear another card's."""
    at = OPENED_AT + late
    ended = feed(*pressed(2, 3, KEY_ENTER, 4, KEY_ENTER, at=at, every=0))
    assert reasons(ended) == ["its beginning may be missing", ""]
    assert ended[1] == typed("3", at)


def test_an_end_alone_after_the_opening_is_nothing() -> None:
    """Nobody has seen a number, and the next one has its beginning."""
    at = OPENED_AT + 0.01
    assert feed(*pressed(KEY_ENTER, 2, KEY_ENTER, at=at, every=0)) == [typed("1", at)]


@pytest.mark.parametrize("place", [0, 2, 4])
def test_lost_keys_spoil_the_number(place: int) -> None:
    """Wherever the kernel lost some: what is left is another number."""
    events = pressed(2, 3, KEY_ENTER, every=0)
    events.insert(place, KeyEvent(EV_SYN, SYN_DROPPED, 0, 10))
    ended = feed(*events, *pressed(2, 3, KEY_ENTER, every=0))
    assert reasons(ended) == ["the kernel lost keys of it", ""]


def test_no_number_is_shown() -> None:
    """Neither keys nor what they type is in a log."""
    assert repr(KeyEvent(EV_KEY, 4711, 1, 1.5)) == "KeyEvent(at=1.5)"
    assert repr(Typed(b"\x04\xa1", 1.5)) == "Typed(2 bytes, at=1.5)"


@given(
    st.lists(
        st.tuples(
            st.text("0123456789ABCDEF", max_size=MAX_CHARACTERS),
            st.sampled_from(["ended", "wrong key", "not ended"]),
            st.floats(0, PAUSE_S - 0.01),
        )
    )
)
def test_numbers_come_out_whole_or_not_at_all(
    words: list[tuple[str, str, float]],
) -> None:
    """Whatever is typed around it and however slowly, a number is what was typed."""
    at = 0.0
    events: list[KeyEvent] = []
    for text, fate, every in words:
        codes = [code_of(character) for character in text]
        codes += [KEY_Q] * (fate == "wrong key")
        codes += [KEY_ENTER] * (fate != "not ended")
        events += pressed(*codes, at=at, every=every)
        at += len(codes) * every + FORGET_S + 0.01
    ended = [
        one.uid.decode() if isinstance(one, Typed) else "garbled"
        for one in feed(*events)
    ]
    assert ended == [
        "garbled" if fate == "wrong key" else text
        for text, fate, _ in words
        if fate == "wrong key" or (fate == "ended" and text)
    ]


@given(
    st.lists(
        st.tuples(
            st.text("0123456789ABCDEF", min_size=1, max_size=20),
            st.booleans(),
            st.floats(PAUSE_S * 1.01, FORGET_S * 1.5),
        )
    )
)
def test_never_a_part_of_a_number(words: list[tuple[str, bool, float]]) -> None:
    """What comes out was typed so, from its first key to its end, without a pause."""
    at = 0.0
    events: list[KeyEvent] = []
    for text, is_ended, pause_s in words:
        at += pause_s
        codes = [code_of(character) for character in text]
        events += pressed(*codes, *([KEY_ENTER] if is_ended else []), at=at, every=0)
    whole = {text for text, is_ended, _ in words if is_ended}
    assert {one.uid.decode() for one in feed(*events) if isinstance(one, Typed)} <= (
        whole
    )

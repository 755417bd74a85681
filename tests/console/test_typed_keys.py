"""Letters typed in a list: alone they are commands, as words they are text."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.screen.keymap import AT_ONCE, LETTERS
from console.typed_keys import LONE_SECONDS, TypedKeys

QUICK = LONE_SECONDS / 4
SIGNS = " /?"


def typed(text: str, gap: float = QUICK) -> tuple[list[str], str]:
    """The commands that ran, and what the text field holds after *text* was typed in a list."""
    keys, now, field = TypedKeys(LETTERS, AT_ONCE), 100.0, ""
    ran: list[str] = []
    for character in text:
        now += gap
        if field:
            # The field has the focus now
            field += character
            continue
        late = keys.tick(now)
        ran += [late] if late else []
        commands, field = keys.press(character, now)
        ran += commands
    late = keys.tick(now + LONE_SECONDS)
    return ran + ([late] if late else []), field


def begins_a_word(text: str) -> bool:
    """Not one key twice, and not keys that move and then a command: "jp" goes down and plays."""
    letters = text.lstrip("".join(AT_ONCE))
    return text[0] != text[1] and (text[0] not in AT_ONCE or len(letters) > 1)


WORDS = st.text(string.ascii_lowercase, min_size=2, max_size=12).filter(begins_a_word)
SENTENCES = st.tuples(WORDS, st.lists(WORDS, max_size=4)).map(lambda parts: " ".join([parts[0], *parts[1]]))


@given(SENTENCES, st.booleans())
def test_no_letter_of_a_typed_message_is_swallowed_by_a_shortcut(sentence, capital):
    sentence = sentence.capitalize() if capital else sentence
    commands, field = typed(sentence)
    assert field == sentence
    # Nothing was connected, deleted, saved or changed on the way
    assert set(commands) <= AT_ONCE


@pytest.mark.parametrize(
    "text",
    [
        "a dog",
        "i am",
        "can you",
        "x-ray",
        "3 apples",
        "1st place",
        "42 apples",
        "don't",
        "j'ai",
        "ça va",
        "日本",
        "eel",
        "Go",
        "GPT",
    ],
)
def test_messages_of_other_shapes_arrive_in_full(text):
    assert typed(text)[1] == text


@given(st.sampled_from(sorted(set(LETTERS) - set(SIGNS))))
def test_a_letter_alone_is_one_command_and_no_text(letter):
    assert typed(letter) == ([letter], "")
    # Slowly one after the other: each is a command
    assert typed(letter * 3, gap=2 * LONE_SECONDS) == ([letter] * 3, "")


@given(st.text(st.sampled_from(sorted(LETTERS)), max_size=8))
def test_with_pauses_every_command_key_runs_in_order(keys):
    assert typed(keys, gap=2 * LONE_SECONDS) == (list(keys), "")


@given(st.text(max_size=8))
def test_every_key_is_a_command_or_text_and_never_lost(text):
    keys, now, commands, field = TypedKeys(LETTERS, AT_ONCE), 0.0, [], ""
    for character in text:
        now += QUICK
        ran, field = keys.press(character, now)
        commands += ran
        if field:
            break
    else:
        commands += list(keys.flush())
    taken = text[: text.index(field) + len(field)] if field else text
    assert set(taken) == set(commands) | set(field)


def test_the_keys_that_stop_and_move_act_at_once():
    keys = TypedKeys(LETTERS, AT_ONCE)
    assert keys.press("x", 1.0) == (["x"], "")
    assert keys.press(" ", 1.1) == ([" "], "")
    assert keys.press("x", 1.2) == (["x"], "")
    assert keys.press("j", 2.0) == (["j"], "")
    assert keys.press("j", 2.1) == (["j"], "")


def test_a_key_that_types_nothing_runs_the_waiting_command_first():
    keys = TypedKeys(LETTERS, AT_ONCE)
    assert keys.press("d", 1.0) == ([], "")
    assert keys.flush() == "d"
    assert keys.flush() == ""


def test_a_command_and_then_a_text_that_begins_with_a_capital():
    assert typed("tThe weather") == (["t"], "The weather")
    assert typed("3m") == (["3", "m"], "")
    assert typed("345") == (["3", "4", "5"], "")
    assert typed("5G") == (["5", "G"], "")

"""Sentences of the README and of the pages are short: at most 20 words on average on each page, and 45 in any.

Code, tables, headings, pictures and what Sphinx includes are left out. A failure names the longest sentences.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it.token import Token

from tests.pages import MARKDOWN, PAGES, ROOT, read

LONGEST_MEAN = 20.0
LONGEST = 45
# Abbreviations whose full stop ends no sentence, and marks that do.
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs)\.")
END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z`\d…])")


class Sentence(NamedTuple):
    words: int
    text: str


def paragraphs(markdown: str) -> Iterator[str]:
    """The prose of a page: its paragraphs and the entries of its lists, as a reader sees them."""
    tokens = MARKDOWN.parse(markdown)
    for before, token in itertools.pairwise(tokens):
        if before.type == "paragraph_open":
            yield visible(token.children or [])


def visible(children: list[Token]) -> str:
    """The text of inline tokens. Code counts as one word; a picture, and a link without a text, as nothing."""
    parts = []
    for child in children:
        if child.type == "text":
            parts.append(child.content)
        elif child.type == "code_inline":
            parts.append("`code`")
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts).strip()


def sentences(markdown: str) -> list[Sentence]:
    """All sentences of a page with the number of their words."""
    found = []
    for paragraph in paragraphs(markdown):
        text = ABBREVIATION.sub(lambda match: match[0].replace(".", ""), paragraph)
        for sentence in END.split(text):
            words = re.findall(r"[\w`'’.,/+-]*[\w`][\w`'’.,/+-]*", sentence)
            if words:
                found.append(Sentence(len(words), sentence.strip()))
    return found


def mean(found: list[Sentence]) -> float:
    return sum(sentence.words for sentence in found) / len(found) if found else 0.0


def verdict(markdown: str, name: str) -> str:
    """An empty text for a page of short sentences; else its mean and its worst sentences."""
    found = sentences(markdown)
    if mean(found) <= LONGEST_MEAN:
        return ""
    worst = sorted(found, reverse=True)[:5]
    lines = [f"  {sentence.words} words: {sentence.text}" for sentence in worst]
    return "\n".join([f"{name}: {mean(found):.1f} words in a sentence, on average; the longest:", *lines])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_have_at_most_20_words_on_average(page: Path):
    said = verdict(read(page), str(page.relative_to(ROOT)))
    assert not said, said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_sentence_has_more_than_45_words(page: Path):
    long = [sentence for sentence in sentences(read(page)) if sentence.words > LONGEST]
    assert long == [], "\n".join(f"{sentence.words} words: {sentence.text}" for sentence in long)


def test_code_tables_headings_and_pictures_are_no_sentences():
    page = (
        "# A heading of many words. With a stop\n\n![A picture](x.svg)\n\n"
        "| a | b |\n|---|---|\n| no sentence. None | x |\n\n"
        "```sh\necho no sentence. None\n```\n\n"
        "It reads `wavtools.load('x. Y')` at once. It [ends](a.md) here, e.g. today!\n\n- An entry of a list\n"
    )
    assert [tuple(sentence) for sentence in sentences(page)] == [
        (5, "It reads `code` at once."),
        (5, "It ends here, eg today!"),
        (5, "An entry of a list"),
    ]


def test_a_page_of_long_sentences_is_named_with_its_worst():
    long = " ".join(["Word"] * 41)
    said = verdict(f"Short one. {long}.", "long.md")
    assert said.startswith("long.md: 21.5 words in a sentence") and "41 words: Word Word" in said
    assert not verdict(f"Short one. {' '.join(['Word'] * 38)}.", "short.md")

"""Tokens and pace: how much a response may produce, how fast it is sent, and what the usage figures say.

Thread: the event loop.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from ...protocol.audio_format import Int16Array
from ..models.interfaces import SPEECH_RATE_HZ
from .items import Item

TEXT_CHARACTERS_PER_TOKEN = 4
AUDIO_IN_TOKENS_PER_SECOND = 10
AUDIO_OUT_TOKENS_PER_SECOND = 20
# Audio of a response that is sent at once; the pace limits the rest.
AUDIO_HEAD_START_S = 2.0
# Speed of written text at pace 1.
WORDS_PER_SECOND = 25
# The cache holds whole blocks of so many tokens.
CACHE_BLOCK_TOKENS = 64
# The limit that rate_limits.updated reports; the server enforces none.
TOKENS_PER_MINUTE = 40_000


class IncompleteError(Exception):
    """The response ends early; the message is the reason: max_output_tokens or content_filter."""


class SessionTokens:
    """Token counts of one session, for the cached tokens of a usage and for rate_limits.updated."""

    def __init__(self) -> None:
        self._last_input: tuple[int, ...] = (0, 0, 0)
        self._used = 0

    def take_input(self, *counts: int) -> list[int]:
        """Count the text, audio and image tokens of a response's input; returns how many of each are cached.

        Cached are the tokens that the response before had too, in whole blocks.
        """
        last, self._last_input = self._last_input, counts
        self._used += sum(counts)
        block = CACHE_BLOCK_TOKENS
        return [min(count, before) // block * block for count, before in zip(counts, last, strict=True)]

    def rate_limits(self) -> list[dict[str, Any]]:
        """The ``rate_limits`` of rate_limits.updated."""
        remaining = max(0, TOKENS_PER_MINUTE - self._used % TOKENS_PER_MINUTE)
        reset = round((TOKENS_PER_MINUTE - remaining) / TOKENS_PER_MINUTE * 60, 3)
        tokens = {
            "name": "tokens",
            "limit": TOKENS_PER_MINUTE,
            "remaining": remaining,
            "reset_seconds": reset,
        }
        return [tokens]


class Budget:
    """Tokens and pace of one response.

    Parameters
    ----------
    max_output_tokens : int or "inf"
        Limit of text and audio tokens together.
    pace : float
        Audio is sent at most this many times faster than real time; 0: no limit.
    now_ms : callable
        The session's input clock in milliseconds.

    Attributes
    ----------
    audio_seconds : float
        Speech sent so far.
    playback_from_ms : int
        Input clock when the first speech was sent; before that, when the response was created.
    """

    def __init__(self, max_output_tokens: int | str, pace: float, now_ms: Callable[[], int]) -> None:
        self.audio_seconds = 0.0
        self.playback_from_ms = now_ms()
        self._now_ms = now_ms
        self._pace = pace
        self._started = 0.0
        self._tokens_left = math.inf if max_output_tokens == "inf" else float(max_output_tokens)
        self._text_tokens = 0.0
        self._audio_tokens = 0.0
        # Of text, audio and images.
        self._input_tokens = (0, 0, 0)

    def start(self) -> None:
        """Start the clock of the pace."""
        self._started = time.monotonic()

    def spend_text(self, text: str) -> str:
        """Count *text* against max_output_tokens and return it; raises IncompleteError if it does not fit."""
        cost = len(text) / TEXT_CHARACTERS_PER_TOKEN
        if self._tokens_left < cost:
            raise IncompleteError("max_output_tokens")
        self._tokens_left -= cost
        self._text_tokens += cost
        return text

    def spend_audio(self, samples: Int16Array) -> Int16Array:
        """Count *samples* (at SPEECH_RATE_HZ) and return those that fit; raises IncompleteError if none does."""
        samples_per_token = SPEECH_RATE_HZ // AUDIO_OUT_TOKENS_PER_SECOND
        if self._tokens_left * samples_per_token < len(samples):
            samples = samples[: int(self._tokens_left) * samples_per_token]
            if not len(samples):
                raise IncompleteError("max_output_tokens")
        cost = len(samples) / samples_per_token
        self._tokens_left -= cost
        self._audio_tokens += cost
        return samples

    async def pace_audio(self, seconds: float) -> None:
        """Count *seconds* of sent speech; wait while the total is ahead of the pace."""
        if not self.audio_seconds:
            self.playback_from_ms = self._now_ms()
        self.audio_seconds += seconds
        pace = self._pace
        ahead = self.audio_seconds - AUDIO_HEAD_START_S - pace * (time.monotonic() - self._started)
        await asyncio.sleep(ahead / pace if pace > 0 and ahead > 0 else 0)

    async def pace_text(self) -> None:
        """Wait as long as one word takes to write."""
        pace = self._pace
        await asyncio.sleep(1.0 / (pace * WORDS_PER_SECOND) if pace > 0 else 0)

    def count_input(self, instructions: str, items: Iterable[Item]) -> None:
        """Count the tokens that the response is given: instructions and items."""
        text = len(instructions)
        audio = 0.0
        images = 0
        for item in items:
            images += sum(image.tokens for image in item.images)
            if item.audio_format is None:
                text += len(item.text()) + len(item.fields.get("arguments", item.fields.get("output", "")))
            elif item.audio is not None:
                audio += len(item.audio) / item.audio_format.sample_rate * AUDIO_IN_TOKENS_PER_SECOND
            else:
                audio += item.spoken_samples / item.audio_format.sample_rate * AUDIO_OUT_TOKENS_PER_SECOND
        self._input_tokens = math.ceil(text / TEXT_CHARACTERS_PER_TOKEN), math.ceil(audio), images

    def usage(self, session: SessionTokens) -> dict[str, Any]:
        """The ``usage`` of response.done; counts the input in *session*."""
        text_in, audio_in, images_in = self._input_tokens
        tokens_in = sum(self._input_tokens)
        cached_text, cached_audio, cached_images = session.take_input(*self._input_tokens)
        text_out, audio_out = math.ceil(self._text_tokens), math.ceil(self._audio_tokens)
        return {
            "total_tokens": tokens_in + text_out + audio_out,
            "input_tokens": tokens_in,
            "output_tokens": text_out + audio_out,
            "input_token_details": {
                "text_tokens": text_in,
                "audio_tokens": audio_in,
                "image_tokens": images_in,
                "cached_tokens": cached_text + cached_audio + cached_images,
                "cached_tokens_details": {
                    "text_tokens": cached_text,
                    "audio_tokens": cached_audio,
                    "image_tokens": cached_images,
                },
            },
            "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
        }

"""Notebooks show every object that holds sound: bounded, legible, and true to the samples."""

from __future__ import annotations

import base64
import re
import struct
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wavtools
from wavtools.notebook.page import PLAYER_BYTES, sound_html, time_text
from wavtools.notebook.spectrogram import ROWS, picture, png, spectrogram_of
from wavtools.notebook.waveform import COLUMNS, STROKE, peaks, waveform_svg

RATE = 24_000
TONE = (12_000 * np.sin(2 * np.pi * 3_000 * np.arange(RATE) / RATE)).astype(np.int16)


class Page(HTMLParser):
    """Elements of HTML with their attributes; open() of what is not closed fails."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("img", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for found, attributes in self.elements if found == tag]


def played(page: Page) -> wavtools.WavFile:
    """What the player plays."""
    (player,) = page.all("audio")
    return wavtools.read_wav(base64.b64decode(player["src"].removeprefix("data:audio/wav;base64,")))


def pixels(file: bytes) -> np.ndarray:
    """Red, green and blue of a PNG with a palette, whose checksums are right."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        kind, data = file[at + 4 : at + 8], file[at + 8 : at + 8 + size]
        assert struct.unpack(">I", file[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + data),)
        chunks[kind] = data
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    columns, rows = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert not lines[:, 0].any()
    return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[lines[:, 1:]]


def decoded() -> wavtools.DecodedAudio:
    return wavtools.WavRecorder.decode(TONE, RATE, RATE)


def recorded() -> wavtools.RecordedAudio:
    device = wavtools.OfflineDevice(RATE)
    with wavtools.WavRecorder(device=device) as recorder:
        recorder.record()
        device.capture(TONE)
        recorder.pause()
        return recorder.read()


MAKERS = {
    "WavFile": lambda: wavtools.WavPacker.pack(TONE, RATE),
    "Sound": lambda: wavtools.load(wavtools.WavPacker.pack(TONE, RATE).data),
    "AudioAnalysis": lambda: wavtools.AudioAnalysis(TONE, RATE),
    "DecodedAudio": decoded,
    "RecordedAudio": recorded,
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_notebook_shows_waveform_spectrogram_and_player(name):
    shown = MAKERS[name]()
    page = Page(shown._repr_html_())
    assert [tag for tag, _ in page.elements if tag in ("svg", "img", "audio")] == ["svg", "img", "audio"]
    assert page.text.count(name) == 1 and "1.000 s, 24000 Hz, 1 channel" in page.text
    assert played(page).sample_rate == RATE and len(played(page).pcm) == RATE
    assert np.abs(played(page).pcm.astype(int) - TONE).max() <= 1


@pytest.mark.parametrize("name", MAKERS)
def test_the_plain_repr_is_short(name):
    text = repr(MAKERS[name]())
    assert len(text) < 80 and "1.000 s" in text and "24000 Hz" in text and "\n" not in text


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_shown_can_be_read_aloud(name):
    page = Page(MAKERS[name]()._repr_html_())
    (figure,), (svg,), (image,), (player,) = map(page.all, ("figure", "svg", "img", "audio"))
    assert figure["aria-label"].startswith(f"{name}: 1.000 s")
    assert svg["aria-label"].startswith("Waveform: 1.000 s") and svg["role"] == "img"
    assert image["alt"].startswith("Spectr") and player["aria-label"] == "Player"


def test_the_player_of_a_wav_file_plays_its_very_samples():
    pcm = np.random.default_rng(0).integers(-32768, 32768, (5_000, 2)).astype(np.int16)
    page = Page(wavtools.WavPacker.pack(pcm, 8_000)._repr_html_())
    np.testing.assert_array_equal(played(page).pcm, pcm)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_an_hour_does_not_fill_the_notebook(channels):
    hour = np.zeros((3_600 * 16_000, channels), np.int16)
    hour[-1] = 16_384
    html = sound_html(hour, 16_000)
    assert len(html) < 23_000_000
    page = Page(html)
    assert "1:00:00, 16000 Hz" in page.text and "peak -6.0 dBFS" in page.text
    held = PLAYER_BYTES // 2 // (1 if channels == 3 else channels)
    assert f"The player has the first {time_text(held / 16_000)} of 1:00:00." in page.text
    assert len(played(page).pcm) == held
    assert ("mean of the channels" in page.text) == (channels == 3)


def test_pictures_of_a_day_are_no_larger_than_those_of_a_minute():
    noise = np.random.default_rng(0).integers(-9_000, 9_000, (60 * 8_000, 1)).astype(np.int16)
    day = np.tile(noise, (60, 1))
    sizes = [
        len(waveform_svg(*peaks(frames), "")) + len(picture(spectrogram_of(frames)))
        for frames in (noise, day)
    ]
    assert sizes[1] < 1.3 * sizes[0] < 100_000


ODD = {
    "nothing": np.zeros(0, np.int16),
    "nothing in two channels": np.zeros((0, 2), np.float32),
    "one sample": np.array([1], np.int16),
    "silence": np.zeros(5_000, np.float32),
    "no numbers": np.full(5_000, np.nan, np.float32),
    "infinite": np.array([np.inf, -np.inf, 0.5] * 999, np.float32),
    "more than float32 holds": np.array([1e300, -1e300] * 999),
    "int32": np.full(5_000, -(2**31), np.int32),
    "float64": np.full((5_000, 2), 0.25),
    "nine channels": np.ones((5_000, 9), np.int16),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("error")
def test_every_sound_is_shown(name):
    samples = ODD[name]
    page = Page(wavtools.Sound(samples, RATE)._repr_html_())
    assert len(page.all("audio")) == len(page.all("svg")) == (len(samples) > 0)
    if samples.ndim == 1 or samples.shape[1] <= 2:
        assert "mean" not in page.text
    if len(samples):
        assert len(played(page).pcm) == len(samples)


@pytest.mark.parametrize("rate", [1_000, 768_000])
def test_a_rate_that_browsers_do_not_play_is_told(rate):
    page = Page(wavtools.Sound(TONE, rate)._repr_html_())
    assert page.all("audio") == [] and "No player: browsers play 3000 to 384000 Hz." in page.text


def test_samples_of_an_unknown_rate_have_no_player():
    page = Page(sound_html(TONE, None))
    assert page.all("audio") == [] and len(page.all("svg")) == 1
    assert "24000 frames, 1 channel" in page.text and "No sample rate, no player." in page.text


def test_a_short_analysis_is_shown():
    for frames in (0, 1, 500):
        page = Page(wavtools.AudioAnalysis(np.zeros(frames, np.int16), RATE)._repr_html_())
        assert len(page.all("svg")) == (frames > 0)


@given(st.integers(1, 3_000), st.integers(1, 3), st.integers(1, 700), st.integers(0, 2**32))
def test_every_sample_lies_within_its_stroke(frames, channels, columns, seed):
    pcm = np.random.default_rng(seed).integers(-32768, 32768, (frames, channels)).astype(np.int16)
    low, high = peaks(pcm, columns)
    assert len(low) == len(high) == min(columns, frames)
    ends = [len(pcm) * (column + 1) // len(low) for column in range(len(low))]
    start = 0
    for column, end in enumerate(ends):
        piece = pcm[start:end] / 32768
        np.testing.assert_array_equal(low[column], piece.min(axis=0))
        np.testing.assert_array_equal(high[column], piece.max(axis=0))
        start = end


def test_strokes_reach_from_top_to_bottom_of_their_lane():
    square = np.array([[32767, 0], [-32768, 0]] * 300, np.int16)
    svg = waveform_svg(*peaks(square, 300), "square")
    strokes = re.findall(r"M[\d.]+ (\d+)V(\d+)", svg)
    assert set(strokes[:300]) == {("0", "64")} and set(strokes[300:]) == {("96", "97")}


@pytest.mark.parametrize("hertz", [500, 3_000, 9_000])
def test_a_tone_is_brightest_in_its_row(hertz):
    frames = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)[:, None]
    levels = spectrogram_of(frames)
    assert levels.shape == (ROWS, 187)
    row = ROWS - 1 - int(hertz / (RATE / 2) * ROWS - 0.5)
    assert set(levels.argmax(axis=0)[:-8]) <= {row - 1, row, row + 1}
    # Between two bins, a Hann window shows up to 1.42 dB less.
    assert -1.5 < levels.max() < 0.01


def test_a_click_in_a_long_sound_is_seen_in_its_column():
    frames = np.zeros((600 * 4_096, 1), np.float32)
    frames[1_000_000:1_004_096] = 0.5
    assert spectrogram_of(frames).max(axis=0).argmax() == pytest.approx(1_000_000 / 4_096, abs=1.5)
    assert peaks(frames)[1].argmax() == pytest.approx(1_000_000 * COLUMNS / len(frames), abs=1)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_a_png_holds_its_pixels(rows, columns, seed):
    numbers = np.random.default_rng(seed)
    indices = numbers.integers(0, 48, (rows, columns)).astype(np.uint8)
    colours = numbers.integers(0, 256, (48, 3)).astype(np.uint8)
    np.testing.assert_array_equal(pixels(png(indices, colours)), colours[indices])


def brightness(colours: np.ndarray) -> np.ndarray:
    """Relative luminance as by WCAG 2."""
    part = np.asarray(colours) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("background", ["ffffff", "111111", "1e1e1e"])
def test_the_waveform_is_legible_in_light_and_dark_themes(background):
    light, dark = sorted(
        (float(brightness(list(bytes.fromhex(colour)))) for colour in (background, STROKE[1:])), reverse=True
    )
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_louder_is_brighter():
    shown = brightness(pixels(picture(np.linspace(-100, -20, 200, dtype=np.float32)[None])))[0]
    assert (np.diff(shown) >= 0).all() and shown[0] < 0.01 and shown[-1] > 0.8
    odd = pixels(picture(np.array([[np.nan, -np.inf, np.inf]], np.float32)))[0]
    assert (odd[0] == odd[1]).all() and brightness(odd[2]) > 0.8


def test_nobody_imports_the_pictures_before_a_notebook_asks():
    code = """
import sys, numpy, wavtools
wav = wavtools.WavPacker.pack(numpy.zeros(100, "int16"), 8_000)
wavtools.load(wav.data), wavtools.AudioAnalysis(wav.pcm, 8_000), wavtools.WavRecorder, repr(wav)
before = [name for name in sys.modules if name.startswith("wavtools.notebook")]
wav._repr_html_()
print(before, {"matplotlib", "IPython", "PIL", "scipy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] set()\n"

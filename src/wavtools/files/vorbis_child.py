"""Decodes one Ogg Vorbis file from stdin to stdout, as a process of its own: see compressed.

Its arguments are the import path. Written to stdout: channels and rate as two little-endian uint32, then interleaved
float32. It imports nothing of wavtools, so that it starts fast. Only mono and stereo: with more channels the decoder mixes
up their order.

Thread: the main thread of its own process.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Decode; the exit status is 0, or 1 with a reason on stderr."""
    sys.path[:] = sys.argv[1:]
    from _miniaudio import ffi, lib

    data = sys.stdin.buffer.read()
    error = ffi.new("int *")
    stream = lib.stb_vorbis_open_memory(data, len(data), error, ffi.NULL)
    if stream == ffi.NULL:
        return refuse("it holds no Vorbis audio")
    info = lib.stb_vorbis_get_info(stream)
    if not 1 <= info.channels <= 2:
        return refuse(f"{info.channels} channels; one or two can be read without PyAV")
    out = sys.stdout.buffer
    out.write(int(info.channels).to_bytes(4, "little") + int(info.sample_rate).to_bytes(4, "little"))
    count = 1 << 16
    block = ffi.new("float[]", count)
    while frames := lib.stb_vorbis_get_samples_float_interleaved(stream, info.channels, block, count):
        out.write(ffi.buffer(block, frames * info.channels * 4))
    out.flush()
    return 0


def refuse(reason: str) -> int:
    """Say why the file cannot be decoded."""
    sys.stderr.write(reason + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

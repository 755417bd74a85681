"""Decodes the links of an Ogg Vorbis file from stdin to stdout, as a process of its own: see compressed.

Its arguments are the import path. Read from stdin: the number of links and the size of each as little-endian uint64, then
the links. Written to stdout: channels and rate as two little-endian uint32, then interleaved float32. It imports nothing of
wavtools, so that it starts fast. Only mono and stereo: with more channels the decoder mixes up their order.

Thread: the main thread of its own process.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Decode; the exit status is 0, or 1 with a reason on stderr."""
    sys.path[:] = sys.argv[1:]
    from _miniaudio import ffi, lib

    source, out = sys.stdin.buffer, sys.stdout.buffer
    count = int.from_bytes(source.read(8), "little")
    sizes = [int.from_bytes(source.read(8), "little") for _ in range(count)]
    block = ffi.new("float[]", 1 << 16)
    form = None
    for size in sizes:
        data = source.read(size)
        stream = lib.stb_vorbis_open_memory(data, len(data), ffi.new("int *"), ffi.NULL)
        if stream == ffi.NULL:
            return refuse("it holds no Vorbis audio")
        info = lib.stb_vorbis_get_info(stream)
        found = (int(info.channels), int(info.sample_rate))
        if not 1 <= info.channels <= 2:
            return refuse(f"{info.channels} channels; one or two can be read without PyAV")
        if form is None:
            out.write(found[0].to_bytes(4, "little") + found[1].to_bytes(4, "little"))
        elif form != found:
            return refuse("its parts have different rates or channels")
        form = found
        while frames := lib.stb_vorbis_get_samples_float_interleaved(stream, found[0], block, len(block)):
            out.write(ffi.buffer(block, frames * found[0] * 4))
        lib.stb_vorbis_close(stream)
    out.flush()
    return 0


def refuse(reason: str) -> int:
    """Say why the file cannot be decoded."""
    sys.stderr.write(reason + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

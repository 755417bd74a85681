"""Everything printed goes through one gate: no control of the terminal, and no stream that fails the program."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.printing import Gate, OutputError, clean, guarded_streams, one_line


class Full(io.StringIO):
    """A stream whose disk is full; *error* when it is flushed."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        raise self.error


def stream_of(encoding: str, errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding, errors, newline="\n")


def written(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    return stream.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii", "latin-1", "cp932", "utf-16"])
@given(text=st.text(st.characters(), max_size=40))
def test_any_text_can_be_printed_in_any_encoding_and_controls_nothing(encoding, text):
    stream = stream_of(encoding)
    print(text, file=Gate(stream), flush=True)
    shown = written(stream).decode(encoding)
    assert clean(shown) == shown and "\x1b" not in shown


def test_what_an_encoding_lacks_becomes_a_question_mark():
    stream = stream_of("cp1252")
    gate = Gate(stream)
    print("né 漢 → \ud83d", file=gate)
    assert written(stream) == "né ? ? ?\n".encode("cp1252")
    assert gate.encoding == "cp1252" and gate.writable() and not gate.isatty()


def test_an_object_whose_text_cannot_be_made_is_named():
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert clean(Broken()) == "<Broken: RuntimeError>"
    assert one_line(5) == "5" and one_line("a\tb\nc", 3) == "a b…"


def test_a_stream_that_is_missing_or_closed_takes_everything():
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        gate = Gate(stream, required=True)
        print("lost", file=gate, flush=True)
        assert not gate.isatty() and gate.encoding
    with pytest.raises(io.UnsupportedOperation):
        Gate(None).fileno()
    gate = Gate(closed, required=True)
    gate.flush()
    assert not gate.isatty()


def test_a_failure_is_raised_once_where_the_output_is_the_purpose_and_never_elsewhere():
    gate = Gate(Full(OSError(errno.ENOSPC, "No space left on device")), required=True)
    with pytest.raises(OutputError, match="cannot write the output: No space left on device"):
        print("x", file=gate, flush=True)
    print("x", file=gate, flush=True)
    broken = Gate(Full(BrokenPipeError()), required=True)
    with pytest.raises(BrokenPipeError):
        broken.flush()
    quiet = Full(BrokenPipeError())
    server = Gate(quiet)
    for _ in range(3):
        print("x", file=server, flush=True)
    assert quiet.flushes == 1


def test_what_a_broken_stream_still_holds_goes_to_the_null_device(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        gate = Gate(stream, required=True)
        assert gate.fileno() == writer
        with pytest.raises(BrokenPipeError):
            print("x" * 100_000, file=gate, flush=True)
        # Nothing fails any more, also when the stream is flushed by others
        stream.write("y")
    assert clean("\ud83d\ude00") == "\U0001f600"


def test_input_that_cannot_be_decoded_is_replaced(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8"))
    with guarded_streams():
        assert sys.stdin.read() == "caf\ufffd"


def test_help_into_a_broken_pipe_ends_with_its_own_status(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full(BrokenPipeError()))
    with pytest.raises(SystemExit), guarded_streams(required=True):
        raise SystemExit(0)


def test_missing_streams_do_not_leave_their_numbers_to_sockets(monkeypatch):
    opened = []

    def fake_open(path: str, flags: int) -> int:
        opened.append(path)
        return len(opened)

    monkeypatch.setattr(os, "open", fake_open)
    monkeypatch.setattr(os, "close", opened.append)
    monkeypatch.setattr(sys, "stdin", None)
    with guarded_streams():
        pass
    assert opened == [os.devnull] * 3 + [3]


def test_the_streams_are_guarded_only_inside(capsys):
    before = sys.stdout, sys.stderr
    with guarded_streams(required=True):
        print("a\x1b[2Jb")
        print("c\x9bd", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    out, err = capsys.readouterr()
    assert (out, err) == ("a[2Jb\n", "cd\n")


PROGRAM = """
import sys
from realtime.printing import guarded_streams
with guarded_streams(required=%s):
    print("x" * 100_000)
    print("after", file=sys.stderr)
    sys.stdin and print("read", repr(sys.stdin.read()), file=sys.stderr)
"""


def run(
    required: bool, shell: str, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        f"{sys.executable} -c '{PROGRAM % required}' {shell}",
        shell=True,
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_program_whose_streams_are_closed_or_broken_ends_well():
    for shell in (">&-", "2>&-", "<&- >&- 2>&-", "| true"):
        done = run(False, shell)
        assert done.returncode == 0 and b"Traceback" not in done.stderr and b"Exception" not in done.stderr, (
            shell
        )
    done = run(False, "", b"\xff\xfe", PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0 and "��" in done.stderr.decode()

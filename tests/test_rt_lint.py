"""The device callbacks never enter Python: read from the C that Cython generates for them.

Checked are the three audio callbacks, the notification callback, and every function of ours that they call, followed
through the generated C and the headers. Anything else that they call must be on the short list of harmless names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "wavtools"
# Each callback, and functions at the end of its chain of calls: the lint must get there.
CALLBACKS = {
    "capture_callback": {"wt_clock_tick", "wt_ring_write", "wt_stamp_write"},
    "playback_callback": {
        "wt_clock_tick",
        "wt_playback_commit",
        "wt_polyphase",
        "wt_fade_move",
        "wt_tap_write",
    },
    "duplex_callback": {"wt_ring_write", "wt_playback_commit", "wt_polyphase", "wt_stamp_write"},
    "notification_callback": {"wt_seat_notify"},
}
# C keywords that look like calls, or like functions with a body
KEYWORDS = {"if", "while", "for", "switch", "return", "sizeof", "do", "defined"}
HARMLESS = {
    *KEYWORDS,
    # What the compiler turns into instructions
    *("likely", "unlikely", "defined"),
    *("memcpy", "memset", "clock_gettime", "QueryPerformanceCounter", "QueryPerformanceFrequency"),
    *("lrintf", "fmaf", "fabsf", "UINT64_C", "__attribute__", "__declspec"),
    *("__asm__", "block"),  # one instruction of pcm16.inc; what the macro BLOCKS is given
}
FORBIDDEN = re.compile(
    r"\b_?_?Py[A-Z_]\w*|\b\w*GIL\w*|\bmalloc\b|\bcalloc\b|\bfree\b|\bprintf\b|\bpthread_\w+|\bmtx_\w+"
)


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"", " ", text, flags=re.S)


def functions(text: str) -> dict[str, str]:
    """Bodies of the C functions and function-like macros defined in *text*, by name.

    A macro that defines functions by pasting names (`sums_##n`) is taken as the body of all of them.
    """
    found = {}
    for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\([^)]*\)((?:[^\n]*\\\n)*[^\n]*)$", text, re.M):
        body = re.sub(r"\w*##\w*", " ", match.group(2))
        found.setdefault(match.group(1), body)
        for prefix in re.findall(r"\b(\w+)##", match.group(2)):
            for user in re.findall(rf"\b{prefix}\w+", text):
                found.setdefault(user, body)
    for match in re.finditer(r"\b(\w+)\s*\([^;{}()]*(?:\([^()]*\)[^;{}()]*)*\)\s*\{", text):
        if match.group(1) in KEYWORDS:
            continue
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        found.setdefault(match.group(1), text[match.end() : end])
    return found


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> dict[str, str]:
    generated = tmp_path_factory.mktemp("c") / "_callbacks.c"
    command = [
        sys.executable,
        "-m",
        "cython",
        "-3",
        "-I",
        SOURCE.parent,
        SOURCE / "_callbacks.pyx",
        "-o",
        generated,
    ]
    subprocess.run(command, check=True, capture_output=True)
    found = functions(without_comments(generated.read_text()))
    for path in sorted((SOURCE / "_native").glob("*.[chi]*")):
        found |= functions(without_comments(path.read_text()))
    return found


def reachable(code: dict[str, str], start: str) -> dict[str, str]:
    """*start* and every function of ours that it leads to, with their bodies."""
    names = {name: name for name in code}
    prefix = "__pyx_f_8wavtools_10_callbacks_"
    names |= {name[len(prefix) :]: name for name in code if name.startswith(prefix)}
    seen: dict[str, str] = {}
    todo = [names[start]]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen[name] = code[name]
        # By name, called or not: a macro may be given the function that it calls.
        todo += [word for word in re.findall(r"\b\w+\b", code[name]) if word in code]
    return seen


@pytest.mark.parametrize(("callback", "leads_to"), CALLBACKS.items())
def test_no_callback_touches_the_python_api_the_heap_or_a_lock(code, callback, leads_to):
    bodies = reachable(code, callback)
    assert bodies.keys() >= leads_to, "the callback's calls were not found"
    for name, body in bodies.items():
        touched = FORBIDDEN.search(body)
        assert touched is None, f"{callback} leads to {name}, which uses {touched and touched.group()}"


def test_an_echo_canceller_allocates_nothing_and_takes_no_lock_while_it_runs(code):
    for start in ("wt_echo_process", "wt_echo_reset"):
        bodies = reachable(code, start)
        assert (
            bodies.keys()
            >= {"wt_echo_reset": {"make_window"}, "wt_echo_process": {"wt_echo_suppress", "find_jump"}}[start]
        )
        for name, body in bodies.items():
            touched = FORBIDDEN.search(body)
            assert touched is None, f"{start} leads to {name}, which uses {touched and touched.group()}"


@pytest.mark.parametrize("callback", CALLBACKS)
def test_every_call_of_a_callback_is_known(code, callback):
    for name, body in reachable(code, callback).items():
        for called in re.findall(r"\b([a-zA-Z_]\w*)\s*\(", body):
            known = called in code or called in HARMLESS or called.startswith("atomic_") or called.isupper()
            known = known or called.startswith(
                ("_mm", "__builtin_", "v", "__pyx_t")
            )  # vector instructions; casts
            assert known or called in (
                "const",
                "struct",
                "void",
                "char",
                "float",
                "uint64_t",
                "int16_t",
                "size_t",
            ), f"{callback} leads to {name}, which calls {called}: add it to HARMLESS only if it is"


def test_the_lint_can_fail(code):
    """StandIn's constructor takes memory and raises: it must be caught."""
    guilty = [name for name, body in code.items() if FORBIDDEN.search(body)]
    assert any("StandIn" in name for name in guilty)


@pytest.mark.parametrize(
    "line", ["state.playback.device_only.holding = 1", "wt_clock_tick(&state.playback.clock, 1)"]
)
def test_a_control_thread_that_touches_what_is_the_callbacks_does_not_compile(tmp_path, line):
    def compile_with(line: str) -> subprocess.CompletedProcess[str]:
        source = tmp_path / "control.pyx"
        source.write_text(
            f"from wavtools._states cimport *\n\ndef control(PlaybackState state):\n    {line}\n"
        )
        command = [sys.executable, "-m", "cython", "-3", "-I", SOURCE.parent, source]
        return subprocess.run(command, capture_output=True, text=True)

    assert compile_with("wt_clock_last_ns(&state.playback.clock)").returncode == 0
    refused = compile_with(line)
    assert refused.returncode != 0
    assert re.search("has no attribute 'device_only'|undeclared name|no member", refused.stderr), (
        refused.stderr
    )


def test_the_words_with_gil_do_not_occur():
    assert "with gil" not in (SOURCE / "_callbacks.pyx").read_text()

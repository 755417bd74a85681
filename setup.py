"""The extension list and compiler flags; everything else is in pyproject.toml.

Environment switches:
    WAVTOOLS_DEBUG=1                     -O1 -g, assertions and Cython bounds checks on
    WAVTOOLS_SANITIZE=address,undefined  instrument with the named sanitizers (or: thread)
"""

import os
import platform
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = bool(os.environ.get("WAVTOOLS_DEBUG"))
SANITIZE = os.environ.get("WAVTOOLS_SANITIZE")
NATIVE = "src/wavtools/_native"

if sys.platform == "win32":
    COMPILE = ["/std:c11", "/experimental:c11atomics", "/fp:precise", "/Od" if DEBUG else "/O2"]
    LINK: list[str] = []
else:
    # -ffp-contract=off: a fused multiply-add rounds once, so results would differ between CPU levels.
    # -fno-trapping-math -fno-math-errno: let selects become vector blends; results do not change.
    # Never -ffast-math: it deletes NaN tests and may switch the process to flush-to-zero.
    COMPILE = ["-std=c11", "-O1" if DEBUG else "-O3", "-g", "-fno-trapping-math", "-fno-math-errno"]
    COMPILE += ["-ffp-contract=off", "-fvisibility=hidden"]
    LINK = []
    if sys.platform == "linux" and not DEBUG and not SANITIZE:
        # Most of an extension's size; the names of functions stay, for stack traces.
        LINK = ["-Wl,--strip-debug"]
    if sys.platform == "linux" and sys.maxsize < 2**32:
        # Atomics of 8 bytes are calls on ARMv6; where they are instructions, the library is left out.
        LINK += ["-Wl,--as-needed", "-latomic"]
    if sys.maxsize < 2**32 and re.fullmatch(r"i[3-6]86|x86_64|amd64", platform.machine().lower()):
        # The 387 rounds to 64 bits and then to 24, so results would differ from every other processor's.
        COMPILE += ["-msse2", "-mfpmath=sse"]
    if SANITIZE:
        COMPILE += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
        LINK += [f"-fsanitize={SANITIZE}"]

MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
if sys.platform == "win32":
    # M_PI in math.h, which Python.h includes before Cython's preamble can ask for it
    MACROS += [("_USE_MATH_DEFINES", "1")]

# Editing one of these rebuilds every extension.
HEADERS = ["spsc.h", "clock.h", "stamp.h", "capture.h", "seat.h", "fade.h", "tap.h", "playback.h", "render.h"]
HEADERS += ["polyphase.h", "blocks.h", "prototypes.h", "encodings.h", "fft.h", "fft.inc"]
HEADERS += ["kernels.h", "kernels.inc", "simple_ratio.inc", "g711.inc", "levels.inc", "pcm16.inc", "vec8.h"]
HEADERS += ["echo.h", "echo_state.h"]
# The same kernels for each instruction set, and the choice between them.
KERNELS = ["kernels_base.c", "kernels_v3.c", "kernels_v4.c", "kernels_select.c"]


def extension(name: str, *c_sources: str) -> Extension:
    return Extension(
        f"wavtools.{name}",
        [f"src/wavtools/{name}.pyx", *(f"{NATIVE}/{source}" for source in c_sources)],
        include_dirs=[NATIVE, numpy.get_include()],
        depends=[f"{NATIVE}/{name}" for name in HEADERS],
        extra_compile_args=COMPILE,
        extra_link_args=LINK,
        define_macros=[*MACROS, *([] if DEBUG else [("NDEBUG", "1")])],
    )


class BuildOnce(build_ext):
    """Compiles each source once, several at a time: the extensions share the kernels, and all have the same options."""

    def build_extensions(self) -> None:
        compile_sources = self.compiler.compile
        objects = {}

        def compiled(sources, **options):
            if not objects:
                every = sorted({source for one in self.extensions for source in one.sources})
                with ThreadPoolExecutor(os.cpu_count()) as pool:
                    made = pool.map(lambda source: compile_sources([source], **options), every)
                    objects.update(zip(every, made, strict=True))
            return [name for source in sources for name in objects[source]]

        self.compiler.compile = compiled
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildOnce},
    ext_modules=cythonize(
        [
            extension("pcm", *KERNELS),
            extension("ring"),
            extension("_encodings"),
            extension("resample", "polyphase.c", "blocks.c", "fft.c", *KERNELS),
            extension("spectrum", "fft.c", *KERNELS),
            extension("stft", "fft.c", *KERNELS),
            extension("levels", *KERNELS),
            extension("loudness", "polyphase.c", *KERNELS),
            extension("voice_activity", *KERNELS),
            extension("gain", *KERNELS),
            extension("echo_native", "echo.c", "echo_suppress.c", "fft.c", *KERNELS),
            extension("_states", "polyphase.c", *KERNELS),
            extension("_callbacks", "polyphase.c", *KERNELS),
        ],
        build_dir="build/cython",  # generated C stays out of src/
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": DEBUG,
            "embedsignature": True,
        },
    ),
)

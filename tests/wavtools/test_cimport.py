"""A project of somebody else's compiles against our .pxd files and headers, and runs."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

import wavtools

MODULE = """
    # cython: language_level=3
    from libc.stdint cimport int16_t

    from wavtools.pcm cimport floats_to_mono, floats_to_pcm16, pcm16_to_floats
    from wavtools.resample cimport Resampler
    from wavtools.ring cimport RingBuffer
    from wavtools.spectrum cimport Analyser

    import numpy as np


    def round_trip(float[::1] x, int16_t[::1] pcm, float[::1] back, float[::1] mono):
        with nogil:
            floats_to_pcm16(&x[0], &pcm[0], x.shape[0])
            pcm16_to_floats(&pcm[0], &back[0], x.shape[0])
            floats_to_mono(&x[0], &mono[0], x.shape[0] // 2, 2)


    def through_ring(RingBuffer ring, frames):
        ring.write(frames)
        return ring.read(len(frames))


    def resampled(Resampler stream, float[::1] x, float[::1] out):
        # A whole signal without the GIL: no Python call between the begin and the end of it.
        cdef Py_ssize_t written
        stream.begin_floats()
        with nogil:
            written = stream.convert(&x[0], x.shape[0], &out[0])
        return written


    def spectrum(Analyser analyser, float[::1] x):
        with nogil:
            analyser.push_samples(&x[0], x.shape[0])
        return analyser.float_frequency_data()
"""

SETUP = """
    import sys
    from Cython.Build import cythonize
    from setuptools import Extension, setup
    import wavtools

    arguments = ["/std:c11", "/experimental:c11atomics"] if sys.platform == "win32" else ["-std=c11"]
    module = Extension(
        "downstream", ["downstream.pyx"], include_dirs=[wavtools.get_include()], extra_compile_args=arguments
    )
    setup(name="downstream", ext_modules=cythonize([module]))
"""

USE = """
    import numpy as np
    import downstream
    from wavtools import pcm, resample, ring, spectrum

    x = np.random.default_rng(0).uniform(-1, 1, 4_800).astype(np.float32)
    samples, back, mono = np.empty(4_800, np.int16), np.empty(4_800, np.float32), np.empty(2_400, np.float32)
    downstream.round_trip(x, samples, back, mono)
    assert np.array_equal(samples, pcm.float32_to_pcm16(x))
    assert np.array_equal(back, pcm.pcm16_to_float32(samples))
    assert np.array_equal(mono, pcm.mix_to_mono(x.reshape(-1, 2)))

    assert np.array_equal(downstream.through_ring(ring.RingBuffer(8_000), x), x)

    out = np.empty(2_400, np.float32)
    written = downstream.resampled(resample.Resampler(48_000, 24_000), x, out)
    assert np.array_equal(out[:written], resample.Resampler(48_000, 24_000).process(x))

    analyser = spectrum.Analyser()
    analyser.push(x)
    assert np.array_equal(downstream.spectrum(spectrum.Analyser(), x), analyser.float_frequency_data())
    print("it works")
"""


@pytest.mark.timeout(300)
def test_downstream_extensions_compile_and_run(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    for name, text in [("downstream.pyx", MODULE), ("setup.py", SETUP), ("use.py", USE)]:
        (tmp_path / name).write_text(textwrap.dedent(text))
    package_parent = str(pathlib.Path(wavtools.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package_parent, str(tmp_path)])}
    for command in (["setup.py", "-q", "build_ext", "--inplace"], ["use.py"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "it works"

"""One extension that cimports from wavtools: the .pxd files are found by their package, the headers by get_include().

C11, because the ring's header uses its atomics.
"""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

import wavtools

C11 = ["/std:c11", "/experimental:c11atomics"] if sys.platform == "win32" else ["-std=c11"]

setup(
    ext_modules=cythonize(
        [
            Extension(
                "downstream",
                ["downstream.pyx"],
                include_dirs=[wavtools.get_include()],
                extra_compile_args=C11,
            )
        ]
    )
)

"""Builds one extension that cimports from wavtools: the .pxd files are beside its modules, the headers in get_include().

It needs C11, because the ring's header uses atomics.
"""

import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

import wavtools

C11 = ["/std:c11", "/experimental:c11atomics"] if sys.platform == "win32" else ["-std=c11"]

downstream = Extension(
    "downstream",
    ["downstream.pyx"],
    include_dirs=[wavtools.get_include()],
    extra_compile_args=C11,
)
# Cython finds an installed wavtools by itself. An editable one is an import hook: there Cython needs the path.
setup(ext_modules=cythonize([downstream], include_path=[str(Path(wavtools.__file__).parents[1])]))

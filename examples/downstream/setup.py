"""One extension that cimports from wavtools: its .pxd files lie beside its modules, its headers in get_include().

C11, because the ring's header uses its atomics.
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
# Cython finds an installed wavtools by itself; the path is for an editable one, which is an import hook.
setup(ext_modules=cythonize([downstream], include_path=[str(Path(wavtools.__file__).parents[1])]))

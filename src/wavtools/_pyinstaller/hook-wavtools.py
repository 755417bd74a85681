"""Names what a frozen program needs and PyInstaller cannot see: modules imported by name or by compiled code.

Thread: PyInstaller's own process.
"""

from PyInstaller.utils.hooks import collect_submodules

# miniaudio's compiled part imports _cffi_backend.
hiddenimports = ["_cffi_backend"]
hiddenimports += collect_submodules("wavtools", lambda name: "_pyinstaller" not in name)

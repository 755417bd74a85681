"""Names the module of realtime.tools that is imported by name, where pydantic is installed.

Thread: PyInstaller's own process.
"""

from PyInstaller.utils.hooks import can_import_module

hiddenimports = ["realtime.tools.pydantic_types"] if can_import_module("pydantic") else []

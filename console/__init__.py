"""The console: hold and inspect a realtime voice conversation from a terminal. Run it with ``python -m console``.

Uses the public APIs of wavtools and realtime only. Installed, the same folder is the package ``realtime_console`` with
the command ``realtime-console``: so modules import each other relatively.
"""

# How the user started it: from the repository, or through the command of the installed package.
PROGRAM = "python -m console" if __name__ == "console" else "realtime-console"

"""The console: hold and inspect a realtime voice conversation from a terminal. Run it with ``python -m console``.

Uses the public APIs of wavtools and realtime only. Installed, the same folder is the package ``realtime_console`` with
the command ``realtime-console``: so modules import each other relatively.
"""

# What to type, for messages.
PROGRAM = "python -m console" if __name__ == "console" else "realtime-console"

"""The console: hold and inspect a realtime voice conversation from a terminal. Run it with ``python -m console``.

Uses the public APIs of wavtools and realtime only.
"""

# How the user started it: from the repository, or through the command of the installed package.
PROGRAM = "python -m console" if __name__ == "console" else "realtime-console"

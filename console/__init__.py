"""The console: holds and inspects a realtime voice conversation in a terminal. Run it with ``python -m console``.

It uses only the public APIs of wavtools and realtime. Installed, this folder is the package ``realtime_console`` with
the command ``realtime-console``; therefore its modules import each other relatively.

Thread: any.
"""

# The command that started it: from the repository, or of the installed package
PROGRAM = "python -m console" if __name__ == "console" else "realtime-console"
# What is said where a microphone or a terminal is missing
BROWSER_HINT = f"{PROGRAM} web talks from a browser"

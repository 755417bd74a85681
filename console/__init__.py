"""The console: hold and inspect a realtime voice conversation from a terminal. Run it with ``python -m console``.

Uses the public APIs of wavtools and realtime only.
"""

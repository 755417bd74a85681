"""The Realtime protocol itself: JSON, dialects, ids, audio formats, addresses, and what must never be shown.

Both servers and the client use it. It imports nothing above it, and holds no state.
"""

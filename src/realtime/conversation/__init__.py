"""The state of a conversation: items from events, audio by the server's clock, history, interruptions.

Pure: no socket, no clock, no callback.

Thread: the event loop's only.
"""

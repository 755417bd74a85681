"""One connection of the offline server: input audio, conversation, responses and outgoing events.

Thread: the server's event loop.
"""

"""One connection of the offline server: input audio, conversation, responses, and what is sent back.

Thread: the server's event loop.
"""

"""The text of the offline server's answers: by rules, or by a chat model.

Thread: the event loop.
"""

"""The screen: a thin Textual view of a `console.session.SessionModel`. Textual is imported here and nowhere else.

Thread: the event loop's.
"""

"""The screen: a Textual view of a `console.session.SessionModel`. Only this package imports Textual.

Thread: the event loop's.
"""

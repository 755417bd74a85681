"""The command ``wavtools``: one module for each verb, and what they share.

Nothing here is imported by programs that use the library.

Thread: the main one.
"""

"""Schemas of the events that a client may send.

Thread: any; pure.
"""

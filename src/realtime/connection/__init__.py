"""From the queue of outgoing events and audio to the websocket and back: frames, backoff, renewal.

Thread: the event loop's only, except the outbox, which any thread may fill.
"""

"""From the queue of what is to be sent to the websocket and back: outbox, frames, backoff, renewal.

Thread: the event loop's only, but for the outbox, which any thread fills.
"""

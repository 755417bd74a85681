"""The client: what applications call, and the session that joins connection, conversation and tools.

Thread: the event loop's only, except `RealtimeClient.append_input_audio`, which any thread may call.
"""

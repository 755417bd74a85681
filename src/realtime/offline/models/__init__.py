"""The models of the offline server: interfaces, implementations, stand-ins and worker processes.

Thread: the event loop, except the models themselves: each runs in worker processes.
"""

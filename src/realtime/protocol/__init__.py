"""The Realtime protocol: JSON, dialects, ids, audio formats, server addresses and the removal of secrets.

The client and both servers use it. It imports only ``realtime.errors``.

Thread: any; see each module.
"""

"""The telephone: calls of providers that stream their audio over a websocket.

Modules: ``call`` (`PhoneCall`), ``marks`` (how much of an answer the caller has heard).

Thread: importing it starts none.
"""

from .call import PhoneCall

__all__ = ["PhoneCall"]

"""The version, in its one place.

Thread: any.
"""

__version__ = "0.1.0"

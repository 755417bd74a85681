"""A pytest plugin for emulated processors: Hypothesis takes their slowness for a fault of the test.

Thread: main.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "slow machine", deadline=None, suppress_health_check=list(HealthCheck), max_examples=10
)
settings.load_profile("slow machine")

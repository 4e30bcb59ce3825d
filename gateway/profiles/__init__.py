"""Device profiles: what a node type is, as data."""

from gateway.profiles.model import HealthCheck, Profile

__all__ = ["HealthCheck", "Profile"]

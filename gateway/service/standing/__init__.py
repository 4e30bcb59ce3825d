"""How the gateway stands: whether it drains, may be switched off, and what it has to do without."""

from gateway.service.standing.standing import Standing

__all__ = ["Standing"]

"""What every virtual node is made of: a flash that wears, tears and loses power, and applications for it."""

from flashers.sim.app import Behaviour, SimApp, build_app, read_app
from flashers.sim.flash import Operation, PowerCut, SimFlash

__all__ = ["Behaviour", "Operation", "PowerCut", "SimApp", "SimFlash", "build_app", "read_app"]

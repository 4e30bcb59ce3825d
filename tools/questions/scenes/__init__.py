"""The scenes: a failure is staged, a question is asked, and the answer is held against the truth.

Each breaks something for real (a port that is gone, a process that is killed, power that
fails in the middle of a write) and looks at the virtual nodes themselves, past everything
that the gateway believes.
"""

from tools.questions.scenes import troubles, truths, updates
from tools.questions.scenes.scene import Scene

__all__ = ["SCENES", "Scene"]

_FOUR = "[rollout]\nmax_in_parallel = 4\n"
_SUPPLY = "".join(
    f"""
[[nodes.{name}.ladder]]
kind = "relay"
name = "supply-{supply}"
off = ["/bin/sh", "FOLDER/switch", "off", "{supply}"]
on = ["/bin/sh", "FOLDER/switch", "on", "{supply}"]
off_for = 0.5
"""
    for name, supply in (("r02", "a"), ("r04", "b"), ("r05", "b"))
)

SCENES: tuple[Scene, ...] = (
    Scene("Is anything broken, and did we do it?", updates.broken),
    Scene("Stop everything now", updates.stop_everything, _FOUR),
    Scene("May I pull the plug?", updates.plug),
    Scene("Why not node 12, and when?", updates.node_twelve),
    Scene("What changed, and who ordered it?", truths.changed),
    Scene("Is it the node, the cable, the adapter, the broker or the gateway?", troubles.whose_fault),
    Scene("And when it is the gateway, whose disk is full?", troubles.full_disk),
    Scene("Can it be saved from here?", troubles.saved, _SUPPLY),
    Scene("Who else will be hit?", troubles.who_else, _SUPPLY),
    Scene("Is this still true?", truths.still_true),
    Scene("What do I send the vendor?", truths.vendor),
)

"""A virtual node with MCUboot and MCUmgr, for demonstrations, tests and other people's tools.

It uses the codec and the image format of this folder, and nothing of the flasher;
imgtool, smpmgr and mcumgr-toolkit are run against it so that both ends do not share
their mistakes.
"""

from flashers.mcuboot_smp.virtual.node import VirtualMcubootNode
from flashers.mcuboot_smp.virtual.options import FAULTS, NodeOptions

__all__ = ["FAULTS", "NodeOptions", "VirtualMcubootNode"]

"""The flashers of the house do what is asked of everybody's."""

from flashers.conformance import suite_for
from transports.links import Medium

_SMALL = {"page": "256", "slot-pages": "5", "buf-size": "160"}
"""A flash of few pages: an image has three, and every operation can be tried."""
_QUICK = {"stall_timeout": 5, "boot_deadline": 10}


def _mcuboot(mode: str, **more: object) -> type:
    return suite_for("mcuboot_smp", {"mode": mode, **_QUICK, **more}, node=_SMALL, size=552)


TestMcubootSwap = _mcuboot("swap")
TestMcubootOverwrite = _mcuboot("overwrite")
TestMcubootDirectXipRevert = _mcuboot("direct-xip-revert")
TestMcubootSerialRecovery = _mcuboot("serial-recovery")

_AVR = {"part": "atmega328p", "boot_line": r"^fw (?P<version>\S+)$"}
_FEW_PAGES = {"pages": "5"}

TestOptiboot = suite_for("stk500", _AVR, node=_FEW_PAGES, size=400)
TestAtmegaboot = suite_for("stk500", _AVR | {"loader": "atmegaboot"}, node=_FEW_PAGES, size=400)
TestAvrThatSaysNothing = suite_for("stk500", {"part": "atmega328p"}, node=_FEW_PAGES, size=400)

TestMcubootDirectXip = _mcuboot("direct-xip")
TestMcubootRamLoad = _mcuboot("ram-load")
TestMcubootResetByDtr = _mcuboot("serial-recovery", reset="dtr")


def _on_air(mode: str) -> type:
    # Large enough that what a window holds is a small part of it.
    node = _SMALL | {"slot-pages": "9"}
    return suite_for("mcuboot_smp", {"mode": mode, **_QUICK}, node=node, size=1500, medium=Medium.BLE)


TestMcubootSwapOnAir = _on_air("swap")
TestMcubootOverwriteOnAir = _on_air("overwrite")
TestMcubootDirectXipRevertOnAir = _on_air("direct-xip-revert")

"""The flashers of the house behind a radio do what is asked of everybody's."""

from flashers.conformance import suite_for
from flashers.nordic_dfu.secure.build import public_pem

_PAGES = {"page": "256", "pages": "6", "att-mtu": "67"}
"""A flash of few pages, and packets of 64 bytes: an image has three objects of up to four packets."""
_QUICK = {"reply_timeout": 2, "boot_deadline": 8, "loader_deadline": 5}
_SECURE = {"public_key": public_pem("one"), "hw_version": 52, "softdevice": 0x100, "version_rule": "off"}


def _secure(node: dict[str, str] | None = None, *, pair: bool = False, **params: object) -> type:
    return suite_for(
        "nordic_dfu", {**_SECURE, **_QUICK, **params}, node={**_PAGES, **(node or {})}, size=552, pair=pair
    )


TestNordicSecureDualBank = _secure()
TestNordicSecureSingleBank = _secure(banks="single")
TestNordicSecureNamed = _secure(entry="named")
TestNordicSecureBonded = _secure(entry="bonded", pair=True)
TestNordicSecureThatSparesTheOld = _secure(force_dual=True)
TestNordicSecureThatKeepsItsMemory = _secure(keeps="link")
TestNordicSecureThatSavesProgress = _secure({"strict": ""}, banks="single", keeps="progress")

"""The flasher of the house for Zigbee nodes, which pull, does what is asked of everybody's."""

from typing import Any

from flashers.conformance import suite_for

_QUICK = {"reply_timeout": 2, "stall_timeout": 30, "verify_deadline": 30, "boot_deadline": 10, "check_in": 60}
_SMALL = {"page": "256", "slot-pages": "8"}


def _zigbee(node: dict[str, str] | None = None, **params: Any) -> type:
    return suite_for("zigbee_ota", {**_QUICK, **params}, node={**_SMALL, **(node or {})}, size=900)


TestAsksForBlocks = _zigbee()
TestAsksForPages = _zigbee({"asks": "pages", "page-size": "128"})
TestExternalFlash = _zigbee({"layout": "external"})
TestReverts = _zigbee(reverts=True)
TestSleepy = _zigbee({"sleepy": "true", "long-poll": "1"})

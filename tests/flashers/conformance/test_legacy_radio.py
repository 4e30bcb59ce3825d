"""Nordic's legacy loaders: their flasher does what is asked of everybody's."""

from typing import Any

from flashers.conformance import suite_for

_PARAMS = {
    "protocol": "legacy",
    "version_rule": "off",
    "version_text": "decimal",
    "reply_timeout": 1.0,
    "boot_deadline": 6.0,
    "loader_deadline": 6.0,
}


def _legacy(**more: Any) -> type:
    return suite_for(
        "nordic_dfu",
        {**_PARAMS, **more},
        node={"page": "256", "pages": "4"},
        firmware={"protocol": "legacy"},
        size=552,
    )


TestOneBank = _legacy(banks="single")
TestTwoBanks = _legacy(banks="dual")
TestWithBond = _legacy(banks="dual", entry="bonded")
TestMicrobit = _legacy(banks="single", entry="microbit")

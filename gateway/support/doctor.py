"""Look at everything that keeps a gateway from working, and say of each what would mend it.

Works beside a running service, and without one: then the files say what they can.
Nothing is changed, and no port is opened, since that alone restarts many nodes.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.support.checks import (
    bluetooth,
    configuration,
    journal,
    links,
    nodes,
    service,
    state,
    types,
    upstream,
    zigbee,
)
from gateway.support.ground import Ailment, Badness, Ground

log = logging.getLogger(__name__)

Check = Callable[[Ground], Sequence[Ailment]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("service", service.check),
    ("clock", service.check_clock),
    ("configuration", configuration.check),
    ("state folder", state.check),
    ("journal", journal.check),
    ("profiles and flashers", types.check_profiles),
    ("trust and releases", types.check_trust),
    ("links", links.check),
    ("bluetooth", bluetooth.check),
    ("zigbee", zigbee.check),
    ("upstream", upstream.check),
    ("nodes", nodes.check),
)
_ORDER = (Badness.BROKEN, Badness.WAITS, Badness.FINE)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was looked at, and everything that was found, the worst first."""

    checked: tuple[str, ...]
    found: tuple[Ailment, ...]

    @property
    def level(self) -> Badness:
        """The worst."""
        return self.found[0].level if self.found else Badness.FINE


def examine(ground: Ground) -> Diagnosis:
    """Every check; one that fails itself is a finding."""
    found: list[Ailment] = []
    for name, check in CHECKS:
        try:
            found += check(ground)
        except Exception as error:
            log.debug("the check of %s failed", name, exc_info=True)
            found.append(
                Ailment(
                    Badness.WAITS,
                    "check-failed",
                    f"The check of {name} failed itself: {error!r}",
                    "Report this; the other checks were made.",
                    "tender support-bundle",
                )
            )
    return Diagnosis(
        tuple(name for name, _ in CHECKS), tuple(sorted(found, key=lambda each: _ORDER.index(each.level)))
    )

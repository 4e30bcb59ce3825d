"""What a virtual node reports by itself: its measured value, and its battery.

How often is asked of it by whoever wants the reports; that is kept in its flash, unless an update
makes it forget, as some do.
"""

from collections.abc import Callable

from flashers.zigbee_ota.codec import Status, general
from flashers.zigbee_ota.codec.general import Attribute, Reporting
from flashers.zigbee_ota.codec.words import General
from flashers.zigbee_ota.virtual.board import Counts
from flashers.zigbee_ota.virtual.clusters import Table
from flashers.zigbee_ota.virtual.store import Store
from flashers.zigbee_ota.virtual.timers import Timers
from transports.zcl import Zcl

_NEVER = 0xFFFF
"""A longest interval that ends reporting (ZCL revision 8, 2.5.7.1.5)."""


class Reports:
    """The reports of one endpoint.

    Args:
        store: where it is kept what is to be reported.
        timers: the node's.
        table: its attributes.
        send: puts a frame on the air.
        usual: cluster, attribute and seconds of what is reported though nobody has asked for it.
        counts: the node's.
    """

    def __init__(
        self,
        store: Store,
        timers: Timers,
        table: Table,
        send: Callable[[Zcl], None],
        usual: tuple[int, int, float],
        counts: Counts,
    ) -> None:
        self._store = store
        self._timers = timers
        self._table = table
        self._send = send
        self._usual = usual
        self._counts = counts

    def begin(self) -> None:
        """The node is up: report what is to be reported."""
        wanted = self._store.settings.reporting
        if wanted is None:
            return  # an update made it forget
        cluster, attribute, every = self._usual
        if every and not any(each[:2] == (cluster, attribute) for each in wanted):
            self._every(cluster, attribute, every)
        for cluster, attribute, least, most in wanted:
            if most != _NEVER:
                self._every(cluster, attribute, float(max(1, most or max(least, 1))))

    def configure(self, cluster: int, wanted: Reporting) -> Status:
        """From now on report this so."""
        kept = tuple(
            each for each in self._store.settings.reporting or () if each[:2] != (cluster, wanted.id)
        )
        self._store.save(reporting=(*kept, (cluster, wanted.id, wanted.least, wanted.most)))
        self._timers.stop(_name(cluster, wanted.id))
        self.begin()
        return Status.SUCCESS

    def configured(self, cluster: int, attribute: int) -> tuple[int, int] | None:
        """At the earliest and at the latest after so many seconds, as somebody asked for it."""
        wanted = self._store.settings.reporting or ()
        return next((each[2:] for each in wanted if each[:2] == (cluster, attribute)), None)

    def _every(self, cluster: int, attribute: int, seconds: float) -> None:
        def due() -> None:
            self._report(cluster, attribute)
            self._timers.later(_name(cluster, attribute), seconds, due)

        self._timers.later(_name(cluster, attribute), seconds, due)

    def _report(self, cluster: int, attribute: int) -> None:
        told = self._table.get((cluster, False), {}).get(attribute)
        if told is None:
            return
        self._counts.reports += 1
        payload = general.encode_attributes([Attribute(attribute, told.type, told.value())])
        self._send(Zcl(cluster, General.REPORT, payload, to_client=True, general=True))


def _name(cluster: int, attribute: int) -> str:
    return f"report {cluster} {attribute}"

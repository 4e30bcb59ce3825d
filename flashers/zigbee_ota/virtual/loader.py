"""The loader of a virtual node: what runs after a restart.

Two slots: the other one is started, and what ran stays where it is.  External: what is staged is
copied over what ran, and a copy that was interrupted is begun again.
"""

from flashers.zigbee_ota.virtual.options import NodeOptions
from flashers.zigbee_ota.virtual.store import Store


def boot(store: Store, options: NodeOptions, *, tries: bool) -> None:
    """Bring in what is pending.

    Args:
        store: the node's memory.
        options: the node's.
        tries: it goes back to the old one if the new one does not come up.

    Raises:
        PowerCut: power failed at one of the flash operations.
    """
    settings = store.settings
    if not settings.pending:
        return
    new = store.contents(store.standby)
    download = store.download
    if new is None or new.app is None or download is None or options.boots_back:
        store.save(pending=False, staged=False, download=None)
        return
    told = download[0].version if options.reports_version == "advertised" else None
    gone = {"pending": False, "staged": False, "download": None, "told": told}
    if store.external:
        store.copy_over()
        store.save(**gone)
    else:
        store.save(**gone, active=store.standby, trial=settings.active if tries else None)


def revert(store: Store) -> None:
    """Go back to what ran before the trial."""
    if store.settings.trial is not None:
        store.save(active=store.settings.trial, trial=None, told=None)

"""What can be wrong with an export, each its own code; nothing was changed when one of these is told."""

from transports.errors import TenderError


class StateError(TenderError):
    """An export cannot be made or used."""

    code = "state-error"
    remedy = "See `tender state --help`; nothing was changed."


class NoExport(StateError):
    """The file is something else."""

    code = "not-an-export"
    remedy = "Name a file that `tender state export` has made."


class ExportTooNew(StateError):
    """A newer Tender made the export, in a form or with a journal that this one does not know."""

    code = "export-too-new"
    remedy = "Install the Tender that made it, or a newer one, and import it with that."


class ExportLocked(StateError):
    """The passphrase or key is not the one that the export was sealed with."""

    code = "export-wrong-key"
    remedy = "Give the passphrase, or the private key of the recipient, that it was sealed with."


class ExportTruncated(StateError):
    """The file ends before the export does."""

    code = "export-truncated"
    remedy = "Copy it again from where it was made, or take an older export."


class ExportDamaged(StateError):
    """The file is not what was written: at least one bit of it is another."""

    code = "export-damaged"
    remedy = "Copy it again from where it was made, or take an older export."


class BadSealKey(StateError):
    """A passphrase or key that exports are to be sealed or opened with cannot be used."""

    code = "bad-seal-key"
    remedy = "`tender state keygen FILE` makes a pair; the text that it shows is for the configuration."


class StateThere(StateError):
    """The state folder has a journal, which an import would put another in the place of."""

    code = "state-there"
    remedy = "Add --replace if the import is to take its place; what is there now is put aside."


class NoState(StateError):
    """There is nothing to export."""

    code = "no-state"
    remedy = "Name the state folder with --state or --config, or start the service."

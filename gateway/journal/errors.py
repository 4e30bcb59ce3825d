"""The named errors of the journal."""

from transports.errors import TenderError


class JournalError(TenderError):
    """The journal cannot be used."""

    code = "journal-broken"
    remedy = "Restore the state folder from an export, or move it away and let Tender rebuild it."


class JournalTooNew(JournalError):
    """The journal was written by a newer Tender, which may mean things that we would not understand."""

    code = "journal-too-new"
    remedy = "Install the newer Tender again; it was left exactly as it is."


class AttemptOpen(JournalError):
    """An attempt on this node has not ended, and would not know what became of its node."""

    code = "node-busy"
    remedy = "Wait for the attempt (`tender watch`), or cancel it."
    retryable = True


class JournalFull(JournalError):
    """There is no room to write what has to be written before a node may be touched."""

    code = "disk-full"
    remedy = "Free some space in the state folder's file system; Tender goes on by itself."
    retryable = True


class JournalDiskError(JournalFull):
    """The disk answers with an error instead of writing."""

    code = "disk-error"
    remedy = "Look at the kernel's log (`dmesg`) and the disk; Tender goes on once it can be written again."


class JournalReadOnly(JournalFull):
    """The state folder's file system takes no writing any more: an error of the disk, most likely."""

    code = "disk-read-only"
    remedy = "Look at the kernel's log (`dmesg`) and the disk; Tender goes on once it can be written again."


class JournalDamaged(JournalError):
    """The journal's content is wrong: a failing disk, or somebody else wrote to it."""


class JournalLost(JournalError):
    """The journal was damaged, and has been begun anew; what was to be written was not."""

    code = "journal-lost"
    remedy = "Look at the nodes (`tender nodes`), then let updates begin again with `tender undrain`."
    retryable = True

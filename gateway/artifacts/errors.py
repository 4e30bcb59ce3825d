"""What can go wrong with stored and fetched bytes: each its own code, no node touched."""

from transports.errors import TenderError


class ArtifactError(TenderError):
    """The bytes are not at hand; no node was touched."""

    code = "artifact-error"
    remedy = "See the message; `tender release add FILE` brings the artifacts again."


class ArtifactMissing(ArtifactError):
    """The store does not hold these bytes (any more)."""

    code = "artifact-missing"
    remedy = "Add the release again with `tender release add FILE`, or let it be fetched by its url."


class ArtifactCorrupt(ArtifactError):
    """The bytes in the store are not those that were put there.

    The file was set aside, so that the same bytes can be fetched or added again.
    """

    code = "artifact-corrupt"
    remedy = "Add or fetch the release again; if this repeats, the gateway's disk is failing."


class ArtifactMismatch(ArtifactError):
    """The bytes that were offered are not those that were announced; nothing was stored."""

    code = "artifact-mismatch"
    remedy = "Copy the file again from where it was made."


class StoreFull(ArtifactError):
    """The store's size cap is reached, and everything in it is needed."""

    code = "store-full"
    remedy = "Raise the store's cap, or close attempts whose artifacts are pinned."


class BackupsFull(ArtifactError):
    """The area for backups is full of backups that are still needed."""

    code = "backups-full"
    remedy = "Raise the caps for backups, or give the nodes a known-good from a release."


class DiskFull(ArtifactError):
    """The disk has no room; what was there before is untouched."""

    code = "disk-full"
    remedy = "Make room on the disk that holds the state folder; what waits goes on by itself."
    retryable = True


class DiskTrouble(ArtifactError):
    """The disk refuses to read or write."""

    code = "disk-trouble"
    remedy = "Look at the kernel's log and the state folder's permissions; the disk may be failing."


class FetchError(ArtifactError):
    """The bytes could not be fetched; what came so far is kept where it can be of use."""

    code = "fetch-error"
    remedy = "Check the address and the network."


class FetchFailed(FetchError):
    """The server could not be reached, or broke off, as often as we tried."""

    code = "fetch-failed"
    remedy = "Check the network and the server; the next try goes on from where this one stopped."
    retryable = True


class FetchRefused(FetchError):
    """The server says that it will not give this file."""

    code = "fetch-refused"
    remedy = "Check the url in the release, and that the server offers it without a login."


class FetchDigestMismatch(FetchError):
    """The server holds other bytes than the manifest names; they were thrown away."""

    code = "fetch-digest-mismatch"
    remedy = "Put the file that was signed on the server, or sign a manifest for the one that is there."


class FetchTooLarge(FetchError):
    """The server holds more bytes than were announced or are allowed."""

    code = "fetch-too-large"
    remedy = "Put the file that was signed on the server; a release file must be below the limit."

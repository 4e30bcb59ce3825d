"""What can be wrong with a release: each its own code, and no node was touched by any of it."""

from transports.errors import TenderError


class ReleaseError(TenderError):
    """The release cannot be used; no node was touched."""

    code = "release-error"
    remedy = "Ask whoever made the release for a new copy."


class BadRelease(ReleaseError):
    """This is not a release, or it contradicts itself."""

    code = "release-malformed"
    remedy = "Make the release anew with `tender release make`; a damaged copy can be copied again."


class ManifestTooNew(ReleaseError):
    """The manifest was written for a newer Tender.

    Reading only the part that is understood could drop a restriction that was
    signed, so nothing of it is used.
    """

    code = "manifest-too-new"
    remedy = "Upgrade Tender on this gateway, or make the release with an older `tender release make`."


class BadBundle(ReleaseError):
    """The release file is not one that `tender release make` would write."""

    code = "release-file-bad"
    remedy = "Copy the file again; if it was repacked by hand, use the one that `tender release make` wrote."


class BundleMismatch(ReleaseError):
    """An artifact in the release file is not the one that its manifest names."""

    code = "release-artifact-mismatch"
    remedy = "Copy the release file again; if it persists, make and sign the release anew."


class ReleaseIncomplete(ReleaseError):
    """The release file lacks an artifact, and the manifest gives no address for it."""

    code = "release-incomplete"
    remedy = "Use the release file as `tender release make` wrote it, or give the artifact a url."


class ReleaseConflict(ReleaseError):
    """There is another release of the same product and version, with other contents."""

    code = "release-conflict"
    remedy = "Give the new release a version of its own: a version names one set of bytes for good."


class ReleaseExists(ReleaseError):
    """There is a file of that name already; overwriting it could lose signatures."""

    code = "release-exists"
    remedy = "Choose another --output, or remove the old file first."


class BadDescription(ReleaseError):
    """The description of a release (release.toml) cannot be used."""

    code = "release-description-bad"
    remedy = "Correct the line that the message names."


class KeyExists(ReleaseError):
    """There is a key file of that name already; a key is never overwritten."""

    code = "key-exists"
    remedy = "Choose another name; remove an old key only when no gateway trusts it any more."


class BadKey(ReleaseError):
    """This is no Ed25519 key that Tender can read."""

    code = "key-bad"
    remedy = "Use a key made by `tender release keygen`; public keys are written ed25519:BASE64."

"""Why a release is not believed: each its own code, and no node was touched by any of it."""

from transports.errors import TenderError


class TrustError(TenderError):
    """The release is not believed; no node was touched."""

    code = "release-not-trusted"
    remedy = "Have the release signed by keys that this gateway trusts."


class ReleaseUnsigned(TrustError):
    """Nobody has signed the release."""

    code = "release-unsigned"
    remedy = (
        'Sign it with `tender release sign`; for a bench, trust.unsigned = "allow" lets unsigned releases in.'
    )


class ReleaseUntrusted(TrustError):
    """The release is signed, but not by enough of the keys that this gateway trusts."""

    code = "release-untrusted"
    remedy = "Have it signed by more of the pinned keys, or pin the signer's public key under [trust]."


class ReleaseSignatureBad(TrustError):
    """A pinned key's signature does not fit the manifest: one of the two was changed."""

    code = "release-signature-bad"
    remedy = "Copy the release again from where it was made; if it persists, treat it as forged."


class BadTrust(TrustError):
    """The configuration of trust contradicts itself."""

    code = "trust-misconfigured"
    remedy = "Correct the [trust] table of the configuration."

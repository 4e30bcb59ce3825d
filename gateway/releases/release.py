"""A release that was judged: the only form in which the rest of the gateway sees one.

The manifest is read from the very bytes that were verified, and the verdict
stays with it wherever it goes.
"""

from dataclasses import dataclass

from flashers.api.data import Digest
from gateway.releases.dsse import Envelope
from gateway.releases.manifest import Manifest, read_manifest
from gateway.trust.policy import TrustPolicy, Verdict


@dataclass(frozen=True, slots=True)
class Release:
    """A manifest, what it was read from, and what was made of its signatures.

    ``digest`` is that of the signed bytes: two releases of one product and version
    with different digests are different releases.
    """

    manifest: Manifest
    trust: Verdict
    digest: Digest
    envelope: Envelope

    @property
    def id(self) -> str:
        """Product and version."""
        return self.manifest.id


def judge_release(envelope: bytes, policy: TrustPolicy) -> Release:
    """Verify first, then read.

    Raises:
        BadRelease: no envelope, or no manifest inside it.
        TrustError: it is not believed.
        ManifestTooNew: believed, but written for a newer Tender.
    """
    parsed = Envelope.parse(envelope)
    verdict = policy.judge(parsed)
    return Release(read_manifest(parsed.payload), verdict, Digest.sha256(parsed.payload), parsed)

"""Whose word counts: the pinned keys, how many of them must agree, and what that makes of a release.

It fails closed.  What is not signed by enough pinned keys is an error, unless
the configuration says ``unsigned = "allow"``; then the verdict itself carries
that nobody vouched, so that no later step can mistake it for trust.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.releases.dsse import Envelope
from gateway.releases.errors import BadKey
from gateway.releases.keys import PublicKey
from gateway.trust.errors import BadTrust, ReleaseSignatureBad, ReleaseUnsigned, ReleaseUntrusted


class Unsigned(StrEnum):
    """What happens to a release that too few pinned keys have signed."""

    REFUSE = "refuse"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Trusted:
    """Enough pinned keys have signed; ``keys`` are their names, sorted."""

    keys: tuple[str, ...]
    threshold: int

    def __str__(self) -> str:
        return f"signed by {', '.join(self.keys)}"


@dataclass(frozen=True, slots=True)
class UnsignedAllowed:
    """Nobody trusted vouches for it; it is let in because the configuration says so."""

    why: str

    def __str__(self) -> str:
        return f"NOT VERIFIED ({self.why}); allowed by trust.unsigned"


Verdict = Trusted | UnsignedAllowed


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """The ``[trust]`` table: keys by name, a threshold, and what to do with the unsigned.

    Without keys, and without ``unsigned = "allow"``, every release is refused.
    """

    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    threshold: int = 1
    unsigned: Unsigned = Unsigned.REFUSE

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise BadTrust("trust.threshold is the number of keys that must sign, at least 1")
        if self.keys and self.threshold > len(self.keys):
            raise BadTrust(f"trust.threshold is {self.threshold}, but only {len(self.keys)} keys are pinned")
        by_key: dict[bytes, str] = {}
        for name, key in self.keys.items():
            if (other := by_key.setdefault(key.raw, name)) != name:
                # Counted twice, one signer would pass for two.
                raise BadTrust(f"trust.keys: {other!r} and {name!r} are the same key")

    @classmethod
    def of(
        cls, keys: Mapping[str, str], *, threshold: int = 1, unsigned: str = Unsigned.REFUSE
    ) -> "TrustPolicy":
        """From configuration: names and ``ed25519:BASE64`` texts.

        Raises:
            BadTrust: a key or a word cannot be read, or they contradict each other.
        """
        pinned: dict[str, PublicKey] = {}
        for name, text in keys.items():
            try:
                pinned[name] = PublicKey.parse(text)
            except BadKey as error:
                raise BadTrust(f"trust.keys.{name}: {error}") from error
        try:
            word = Unsigned(unsigned)
        except ValueError as error:
            raise BadTrust(f"trust.unsigned is {unsigned!r}; write refuse or allow") from error
        return cls(pinned, threshold, word)

    @property
    def notice(self) -> str | None:
        """What must be said at each start and in the status, or None."""
        if self.unsigned is Unsigned.ALLOW:
            return 'trust.unsigned = "allow": releases that nobody signed are flashed'
        if not self.keys:
            return "no key is pinned under [trust]: every release will be refused"
        return None

    def judge(self, envelope: Envelope) -> Verdict:
        """Believe the envelope, or say why not.

        Signatures of keys that are not pinned say nothing, for or against.

        Raises:
            ReleaseSignatureBad: a pinned key's signature does not fit; never allowed.
            ReleaseUnsigned: there is no signature at all.
            ReleaseUntrusted: fewer pinned keys than the threshold have signed.
        """
        names = {key.id: (name, key) for name, key in self.keys.items()}
        message = envelope.signed_bytes
        good: set[str] = set()
        for signature in envelope.signatures:
            if signature.key_id not in names:
                continue
            name, key = names[signature.key_id]
            if not key.verifies(signature.value, message):
                raise ReleaseSignatureBad(f"the signature of {name!r} does not fit the manifest")
            good.add(name)
        if len(good) >= self.threshold:
            return Trusted(tuple(sorted(good)), self.threshold)
        why = self._shortfall(envelope, good)
        if self.unsigned is Unsigned.ALLOW:
            return UnsignedAllowed(why)
        if not envelope.signatures:
            raise ReleaseUnsigned(why)
        raise ReleaseUntrusted(why)

    def _shortfall(self, envelope: Envelope, good: set[str]) -> str:
        if not envelope.signatures:
            return "nobody has signed it"
        if not self.keys:
            return "no key is pinned to verify its signatures by"
        if good:
            return f"signed by {', '.join(sorted(good))}; {self.threshold} pinned keys must sign"
        ids = ", ".join(sorted({signature.key_id[:16] for signature in envelope.signatures}))
        return f"signed only by keys that are not pinned ({ids}…)"

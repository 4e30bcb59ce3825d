"""What a release says: which bytes are for which nodes, and under which conditions.

Whoever signs a manifest signs its conditions as well.  A reader that skipped a
field it does not know could skip a condition; so unknown fields are refused, and
every new field raises ``schema``, which an older reader answers with "too new"
instead of with half an understanding.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Self
from urllib.parse import urljoin, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)

from flashers.api.data import Digest
from gateway.releases import strict_json
from gateway.releases.errors import BadRelease, ManifestTooNew

SCHEMA = 1
MAX_MANIFEST = 3 << 20
MAX_ARTIFACT = 64 << 20
"""Bytes of one artifact: far above any microcontroller's flash, and small enough to hash in memory."""
MAX_ARTIFACTS = 4096


def _read_digest(value: object) -> object:
    if isinstance(value, Digest):
        return value
    if not isinstance(value, str):
        raise ValueError("a digest is text")  # noqa: TRY004 - pydantic reports ValueError as the field's
    digest = Digest.parse(value)
    if str(digest) != value or digest.algorithm != "sha256" or len(digest.value) != 32:
        raise ValueError("write sha256: and 64 lower-case hexadecimal digits")
    return digest


def _check_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"", "http", "https"} or bool(parts.scheme) != bool(parts.netloc):
        raise ValueError("a url is http://…, https://…, or relative to the manifest's own address")
    if "@" in parts.netloc:
        raise ValueError("a url carries no user name or password: it is logged and passed on")
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_~-]{0,63}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,126}[!-~])?$")]
Url = Annotated[str, StringConstraints(pattern=r"^[!#-;=?-~]+$", max_length=2048), AfterValidator(_check_url)]
# No control characters, which a terminal would obey, but for tab and line feed.
Notes = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]*$", max_length=8000),
]
Created = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Sha256 = Annotated[Digest, BeforeValidator(_read_digest), PlainSerializer(str, return_type=str)]


class _Signed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReleaseArtifact(_Signed):
    """One file of a release, and the nodes that it is for.

    ``variant`` tells apart files for the same component where one does not serve all
    nodes of a profile: a slot, a hardware revision, a loader.  ``hardware`` lists the
    hardware ids it may be given to; empty means any that the profile covers.
    ``version`` is the release's own where it is not given.  ``follows`` is the oldest
    version that may run before it.

    ``data_format`` names the format in which this firmware keeps its settings on the
    node, and ``can_return_to`` the formats of other firmware that can still live with
    what this one has written.  Once it ran, a node is taken back only to firmware of
    the same format or of one in that list; where either of the two says no format,
    nothing is known against it.  They are formats and not versions, because several
    versions share one and the older ones could not be changed any more.
    """

    profile: Name
    component: Name = "app"
    variant: Name | None = None
    name: Name
    format: Name
    hardware: tuple[Label, ...] = Field(default=(), max_length=64)
    digest: Sha256
    size: int = Field(strict=True, ge=1, le=MAX_ARTIFACT)
    version: Version | None = None
    follows: Version | None = None
    data_format: Label | None = None
    can_return_to: tuple[Label, ...] = Field(default=(), max_length=64)
    urls: tuple[Url, ...] = Field(default=(), max_length=8)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.can_return_to and self.data_format is None:
            raise ValueError("can_return_to says nothing without data_format")
        return self

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Profile, component, variant: what a release has at most one artifact for."""
        return (self.profile, self.component, self.variant)

    def addresses(self, base: str | None = None) -> tuple[str, ...]:
        """Where to fetch it, relative ones resolved against the manifest's address ``base``."""
        found = (urljoin(base, url) if base else url for url in self.urls)
        return tuple(url for url in found if urlsplit(url).scheme)


class Manifest(_Signed):
    """A release: product, version, and its artifacts.

    ``created`` (ISO 8601, UTC) and ``notes`` are told to people and decide nothing.
    """

    schema_: int = Field(default=SCHEMA, alias="schema", strict=True, ge=1, le=SCHEMA)
    product: Name
    version: Version
    created: Created | None = None
    notes: Notes = ""
    artifacts: tuple[ReleaseArtifact, ...] = Field(min_length=1, max_length=MAX_ARTIFACTS)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        keys: set[tuple[str, str, str | None]] = set()
        names: dict[str, Digest] = {}
        sizes: dict[Digest, int] = {}
        for artifact in self.artifacts:
            if artifact.key in keys:
                raise ValueError(f"two artifacts are for {describe(artifact.key)}")
            keys.add(artifact.key)
            if names.setdefault(artifact.name, artifact.digest) != artifact.digest:
                raise ValueError(f"two different files are called {artifact.name!r}")
            if sizes.setdefault(artifact.digest, artifact.size) != artifact.size:
                raise ValueError(f"{artifact.digest} is said to have two sizes")
        return self

    @property
    def id(self) -> str:
        """Product and version: how people and upstream name the release."""
        return f"{self.product}:{self.version}"

    def version_of(self, artifact: ReleaseArtifact) -> str:
        """The version that a node reports once it runs this artifact."""
        return artifact.version or self.version

    def pick(
        self, profile: str, component: str = "app", variant: str | None = None
    ) -> ReleaseArtifact | None:
        """The artifact for this variant, else the one for all variants, else None."""
        by_key = {artifact.key: artifact for artifact in self.artifacts}
        return by_key.get((profile, component, variant)) or by_key.get((profile, component, None))

    def for_profile(self, profile: str) -> Iterator[ReleaseArtifact]:
        """Everything that the release has for nodes of this profile."""
        return (artifact for artifact in self.artifacts if artifact.profile == profile)

    def payload(self) -> bytes:
        """The bytes to sign.  Made once, when a release is made; readers keep what they were given."""
        return strict_json.dumps(
            self.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"schema": SCHEMA}
        )


def read_manifest(payload: bytes) -> Manifest:
    """The manifest that these bytes say.  Verify them first; what is not signed may be shown, not used.

    Raises:
        ManifestTooNew: it was written for a newer Tender.
        BadRelease: it is not a manifest, or contradicts itself.
    """
    fields: Any = strict_json.loads(payload, what="manifest", limit=MAX_MANIFEST)
    if not isinstance(fields, dict):
        raise BadRelease("a manifest is a JSON object")
    schema = fields.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise BadRelease("a manifest says its schema, as a whole number from 1")
    if schema > SCHEMA:
        raise ManifestTooNew(f"the manifest has schema {schema}; this Tender reads up to {SCHEMA}")
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        # A name in there may be of any length, and meant for a terminal to obey.
        where = ascii(".".join(str(part)[:40] for part in first["loc"]) or "manifest")[1:-1]
        raise BadRelease(f"{where}: {first['msg'][:200]}") from error


def describe(key: tuple[str, str, str | None]) -> str:
    """Profile, component and variant, for people."""
    profile, component, variant = key
    return f"{profile}/{component}" + (f" ({variant})" if variant else "")

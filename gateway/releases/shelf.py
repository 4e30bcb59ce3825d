"""The releases that this gateway was given: signed manifests on disk, judged anew at each start.

What is kept is the envelope, not the verdict.  A key that is no longer pinned
takes its releases with it at the next start, and nothing in the state folder can
vouch for a release that nobody signed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flashers.api.data import Digest
from gateway.artifacts.files import make_folder, named_trouble, off_loop, publish, read_bounded, write_whole
from gateway.errors import ReleaseUnknown
from gateway.releases.dsse import MAX_ENVELOPE
from gateway.releases.errors import ReleaseConflict
from gateway.releases.release import Release, judge_release
from gateway.trust.policy import Trusted, TrustPolicy
from transports.errors import TenderError

_SUFFIX = ".dsse.json"


@dataclass(frozen=True, slots=True)
class Refused:
    """A manifest on the shelf that is not believed (any more), and why."""

    file: str
    error: TenderError


class ReleaseShelf:
    """Releases by product and version; made by :meth:`open`."""

    def __init__(self, folder: Path, policy: TrustPolicy) -> None:
        self._folder = folder
        self._policy = policy
        self._releases: dict[str, Release] = {}
        self.refused: tuple[Refused, ...] = ()
        """What lies on the shelf and cannot be used, for the status."""

    @classmethod
    async def open(cls, folder: Path, policy: TrustPolicy) -> "ReleaseShelf":
        """Read the shelf, judging every manifest by ``policy``.

        Raises:
            DiskFull, DiskTrouble: the folder cannot be used.
        """
        shelf = cls(folder, policy)
        await off_loop(shelf._read)
        return shelf

    def _read(self) -> None:
        refused: list[Refused] = []
        with named_trouble(f"cannot use {self._folder}"):
            make_folder(self._folder)
            for path in sorted(self._folder.iterdir()):
                if path.suffix == ".tmp":
                    path.unlink(missing_ok=True)
                elif path.name.endswith(_SUFFIX):
                    try:
                        release = judge_release(read_bounded(path, MAX_ENVELOPE) or b"", self._policy)
                        self._check_conflict(release)
                    except TenderError as error:
                        refused.append(Refused(path.name, error))
                    else:
                        self._releases[release.id] = release
        self.refused = tuple(refused)

    async def add(self, release: Release) -> None:
        """Keep a release, down to the disk.  More signatures on one that is known are taken over.

        Raises:
            ReleaseConflict: another one has the same product and version.
            DiskFull, DiskTrouble: it is not kept.
        """
        self._check_conflict(release)
        known = self._releases.get(release.id)
        if known is not None and isinstance(known.trust, Trusted) and not isinstance(release.trust, Trusted):
            return  # a copy without its signatures takes nothing away
        await off_loop(lambda: self._write(release))
        self._releases[release.id] = release

    def _write(self, release: Release) -> None:
        data = release.envelope.encode()
        temporary, _, _ = write_whole(self._folder, [data], mode=0o644, limit=len(data))
        publish(temporary, self._path(release.digest))

    def _check_conflict(self, release: Release) -> None:
        known = self._releases.get(release.id)
        if known is not None and known.digest != release.digest:
            raise ReleaseConflict(f"{release.id} is known with other contents ({known.digest})")

    async def remove(self, name: str) -> None:
        """Forget a release; its artifacts stay until the store needs their room."""
        release = self.get(name)
        await off_loop(lambda: self._path(release.digest).unlink(missing_ok=True))
        del self._releases[release.id]

    def get(self, name: str) -> Release:
        """The release ``product:version``.

        Raises:
            ReleaseUnknown: it is not on the shelf.
        """
        release = self._releases.get(name)
        if release is None:
            raise ReleaseUnknown(f"no release {name!r} is known here")
        return release

    def __iter__(self) -> Iterator[Release]:
        return iter(sorted(self._releases.values(), key=lambda release: release.id))

    def __len__(self) -> int:
        return len(self._releases)

    def _path(self, digest: Digest) -> Path:
        return self._folder / (digest.value.hex() + _SUFFIX)

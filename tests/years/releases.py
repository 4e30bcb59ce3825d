"""Release files as people make them, the bad ones too."""

from collections.abc import Iterable
from pathlib import Path

from flashers.sim import Behaviour
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release
from tests.years.fleet import Images
from tests.years.kinds import KINDS
from tests.years.plain import Image
from tests.years.script import GOOD, NEVER, ReleasePlan

PRODUCT = "greenhouse"


class Workshop:
    """Where releases are made and signed, with the owner's key or with another."""

    def __init__(self, folder: Path, images: Images) -> None:
        self.folder = folder
        folder.mkdir()
        self.images = images
        self.public, _ = keygen(folder / "key.pem")
        keygen(folder / "stranger.pem")

    def artifacts(self, plan: ReleasePlan) -> list[Image]:
        """The images of a release, one for each kind."""
        behaviour = Behaviour.HEALTHY if plan.how == GOOD or plan.how in NEVER else Behaviour(plan.how)
        return [self.images.of(kind, plan.version, behaviour) for kind in KINDS]

    def make(self, plan: ReleasePlan) -> Path:
        """The release file; it may be made again."""
        text = f'product = "{PRODUCT}"\nversion = "{plan.version}"\n'
        for image in self.artifacts(plan):
            file = self.folder / f"{image.kind}.img"
            smp = next(kind.smp for kind in KINDS if kind.name == image.kind)
            wrong_size = image.body[:100] if smp else image.body * 4
            file.write_bytes(wrong_size if plan.how == "wrong-size" else image.body)
            text += f'[[artifact]]\nfile = "{file.name}"\nprofile = "{image.kind}"\n'
            text += f'format = "{"mcuboot" if smp else "raw"}"\n'
            text += f'hardware = ["{"elsewhere" if plan.how == "wrong-hardware" else image.kind}"]\n'
        description = self.folder / "release.toml"
        description.write_text(text)
        path = self.folder / f"{plan.version}.tender"
        path.unlink(missing_ok=True)
        make_release(description, path, created="2026-09-01T00:00:00Z")
        if plan.how != "unsigned":
            key = "stranger.pem" if plan.how == "stranger" else "key.pem"
            sign_release(path, PrivateKey.load(self.folder / key))
        if plan.how == "corrupt":
            data = bytearray(path.read_bytes())
            place = data.find(self.artifacts(plan)[0].body[40:60])
            data[(place if place >= 0 else len(data) // 2) + 8] ^= 0x20
            path.write_bytes(bytes(data))
        return path

    def allowed(self, plans: Iterable[ReleasePlan], kind: str) -> bytes:
        """Everything that nodes of a kind may well have in their flash."""
        bodies = [self.images.of(each, "1.0.0").body for each in KINDS if each.name == kind]
        bodies += [
            image.body
            for plan in plans
            if plan.how not in NEVER
            for image in self.artifacts(plan)
            if image.kind == kind
        ]
        return b"\xff".join(bodies)

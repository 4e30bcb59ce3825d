"""Profiles and flashers that the nodes need, keys that are pinned, releases that are not believed."""

from collections.abc import Iterator, Sequence

from gateway.artifacts.files import read_bounded
from gateway.config.model import Config
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.releases.dsse import MAX_ENVELOPE
from gateway.releases.release import judge_release
from gateway.support.ground import Ailment, Badness, Ground
from gateway.trust.policy import TrustPolicy
from transports.errors import TenderError


def check_profiles(ground: Ground) -> Sequence[Ailment]:
    """Every profile that a node has, with its flasher; and those that nobody has, if they are broken."""
    if ground.loaded is None:
        return []
    config = ground.loaded.config
    found: list[Ailment] = []
    profiles = load_profiles(config.profiles, Registry())
    used: dict[str, list[str]] = {}
    for name, node in config.nodes.items():
        used.setdefault(node.profile, []).append(name)
    for profile, nodes in sorted(used.items()):
        try:
            profiles.resolve(profile)
        except TenderError as error:
            text = f"{len(nodes)} nodes ({nodes[0]}, …)" if len(nodes) > 1 else f"node {nodes[0]}"
            message = f"Profile {profile} of {text} cannot be used: {error.message}"
            found.append(
                Ailment(Badness.BROKEN, error.code, message, error.what_to_do, "tender profiles list")
            )
    for profile, broken in sorted(profiles.broken.items()):
        if profile not in used:
            text = f"Profile {profile}, which no node has, is broken: {broken.message}"
            found.append(Ailment(Badness.FINE, broken.code, text, broken.what_to_do, "tender profiles list"))
    return found


def check_trust(ground: Ground) -> Sequence[Ailment]:
    """Whose releases would be flashed; a running service's own word on its shelf comes with the nodes."""
    if ground.loaded is None:
        return []
    config = ground.loaded.config
    policy = TrustPolicy.of(
        config.trust.keys, threshold=config.trust.threshold, unsigned=config.trust.unsigned
    )
    if ground.overview is not None:
        return []
    found: list[Ailment] = []
    if config.trust.unsigned == "allow":
        text = "Releases that nobody signed are flashed."
        remedy = 'Set trust.unsigned = "refuse", and pin a key.'
        found.append(Ailment(Badness.WAITS, "unsigned-allowed", text, remedy, "tender config"))
    elif not config.trust.keys:
        text = "No key is pinned: every release will be refused."
        remedy = "Pin the key of whoever makes the releases under [trust]."
        found.append(Ailment(Badness.WAITS, "no-keys", text, remedy, "tender release keygen --help"))
    return [*found, *_shelf(config, policy)]


def _shelf(config: Config, policy: TrustPolicy) -> Iterator[Ailment]:
    folder = config.state / "releases"
    try:
        files = sorted(folder.glob("*.dsse.json"))
    except OSError:
        return
    for file in files:
        try:
            judge_release(read_bounded(file, MAX_ENVELOPE) or b"", policy)
        except TenderError as error:
            text = f"A release on the shelf is not believed ({file.name}): {error.message}"
            yield Ailment(Badness.WAITS, error.code, text, error.what_to_do, "tender release list")
        except OSError:
            return  # the check of the state folder tells it

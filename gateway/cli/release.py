"""``tender release keygen | make | sign | show``: what needs no service, and no network.

Keys are best kept on a machine without either.  The verbs that talk to the running
service (``add``, ``list``) are added by whoever builds the command line: `register`
returns the place for them.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.releases.dsse import Envelope
from gateway.releases.keys import PrivateKey, PublicKey, keygen
from gateway.releases.make import check_release_file, make_release, sign_release
from gateway.releases.manifest import Manifest, describe
from gateway.trust.errors import TrustError
from gateway.trust.policy import TrustPolicy


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> Any:
    """Add ``release`` to the commands.

    Each verb sets ``run``, a function of the parsed arguments that returns the exit code
    and raises :class:`~transports.errors.TenderError`.

    Returns:
        The action to which further verbs of ``release`` are added.
    """
    parser = subparsers.add_parser(
        "release",
        help="make, sign, add and list releases",
        description="A release is a signed manifest and the firmware files that it names.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = verbs.add_parser("keygen", help="make a key that signs releases")
    verb.add_argument(
        "key", type=Path, help="where the private key goes (mode 0600); the public one beside it"
    )
    _finish(verb, _keygen)

    verb = verbs.add_parser("make", help="make an unsigned release from a release.toml")
    verb.add_argument("description", type=Path, help="the release.toml; files are relative to it")
    verb.add_argument(
        "-o", "--output", type=Path, help="the release file (PRODUCT-VERSION.tender beside the description)"
    )
    verb.add_argument(
        "--bare", action="store_true", help="the manifest alone: artifacts are fetched by their urls"
    )
    _finish(verb, _make)

    verb = verbs.add_parser("sign", help="add a signature; as often as there are keys")
    verb.add_argument("release", type=Path, help="a release file or a manifest, changed in place")
    verb.add_argument("--key", type=Path, required=True, help="the private key")
    _finish(verb, _sign)

    verb = verbs.add_parser("show", help="what is in a release file, and who has signed it")
    verb.add_argument("release", type=Path, help="a release file or a manifest")
    verb.add_argument(
        "--trust",
        metavar="NAME=KEY",
        action="append",
        default=[],
        help="a public key (ed25519:… or its file) to verify by; may be repeated",
    )
    verb.add_argument(
        "--threshold", type=int, default=1, metavar="N", help="how many of them must have signed"
    )
    _finish(verb, _show)
    return verbs


def _finish(verb: argparse.ArgumentParser, run: Any) -> None:
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run)


def _keygen(arguments: argparse.Namespace) -> int:
    public, beside = keygen(arguments.key)
    if arguments.json:
        _print_json(
            {"key": str(arguments.key), "public": str(public), "public_file": str(beside), "id": public.id}
        )
    else:
        print(f"private key  {arguments.key}   (keep it away from the gateways)")
        print(f"public key   {beside}")
        print(f'pin it       [trust]\n             keys."{arguments.key.stem}" = "{public}"')
    return 0


def _make(arguments: argparse.Namespace) -> int:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = make_release(arguments.description, arguments.output, bare=arguments.bare, created=now)
    if arguments.json:
        _print_json({"file": str(made.path), "manifest": _plain(made.manifest)})
    else:
        print(f"{made.path}: {made.manifest.id}, {len(made.manifest.artifacts)} artifacts, not signed yet")
        print(f"sign it with: tender release sign {made.path} --key KEY")
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    key = PrivateKey.load(arguments.key)
    manifest = sign_release(arguments.release, key)
    if arguments.json:
        _print_json({"file": str(arguments.release), "release": manifest.id, "signed_by": key.public.id})
    else:
        print(f"{arguments.release}: {manifest.id} signed by {key.public.id[:16]}…")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    envelope, manifest, names = check_release_file(arguments.release)
    keys = dict(_named_key(text) for text in arguments.trust)
    trust, code = _verdict(envelope, keys, arguments.threshold)
    signers = [signature.key_id for signature in envelope.signatures]
    if arguments.json:
        _print_json(
            {"manifest": _plain(manifest), "signatures": signers, "trust": trust, "holds": sorted(names)}
        )
        return code
    print(f"release   {manifest.id}" + (f"   made {manifest.created}" if manifest.created else ""))
    if manifest.notes:
        print(f"notes     {manifest.notes}")
    print(f"signed    {', '.join(f'{one[:16]}…' for one in signers) or 'by nobody'}")
    print(f"trust     {trust or 'not asked; name keys with --trust'}")
    for artifact in manifest.artifacts:
        where = "in this file" if artifact.name in names else ", ".join(artifact.urls) or "elsewhere"
        print(
            f"\n{describe(artifact.key)}: {artifact.name}, {artifact.format}, {artifact.size} bytes, {where}"
        )
        print(f"  version {manifest.version_of(artifact)}, {artifact.digest}")
        for label, value in (
            ("hardware", ", ".join(artifact.hardware)),
            ("follows", artifact.follows),
            ("data format", artifact.data_format),
            ("can return to", ", ".join(artifact.can_return_to)),
        ):
            if value:
                print(f"  {label} {value}")
    return code


def _verdict(envelope: Envelope, keys: dict[str, PublicKey], threshold: int) -> tuple[str | None, int]:
    """What the keys make of it, and the exit code: 0 unless they were asked and do not trust it."""
    if not keys:
        return None, 0
    try:
        return str(TrustPolicy(keys, threshold).judge(envelope)), 0
    except TrustError as error:
        return f"{error.code}: {error.message}", 1


def _named_key(text: str) -> tuple[str, PublicKey]:
    name, equals, key = text.partition("=")
    if not equals or name.startswith("ed25519:"):
        name, key = "key", text
    path = Path(key)
    return name, PublicKey.parse(
        path.read_text() if not key.startswith("ed25519:") and path.is_file() else key
    )


def _plain(manifest: Manifest) -> Any:
    return json.loads(manifest.payload())


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))

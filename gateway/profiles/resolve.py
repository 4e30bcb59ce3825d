"""Join a profile with its flasher: is what it asks for among what the flasher can do?

A profile may narrow what its flasher declares and never widen it; here that is
held up against the declaration, before any node is looked at.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from pydantic import ValidationError

from flashers.api import Declaration, EvidenceKind, FlasherPlugin, Params
from gateway.config.findings import Finding, dotted, from_validation
from gateway.config.nearest import nearest
from gateway.config.positions import Path
from gateway.plugins.registry import FlasherUnknown, HookUnknown, PluginBroken, Registry
from gateway.profiles.errors import BadProfile
from gateway.profiles.model import HookCheck, Profile
from gateway.profiles.read import ProfileText, place
from transports.errors import BadLink, TenderError
from transports.links import LinkSpec, Medium


class Resolved(NamedTuple):
    """A profile's flasher, its settings, and what the two can do together."""

    plugin: FlasherPlugin
    params: Params
    declaration: Declaration


def resolve(profile: Profile | ProfileText, registry: Registry) -> Resolved:
    """The flasher of a profile, with its settings checked.

    Raises:
        BadProfile: with every finding.
        PluginBroken: its flasher is installed but cannot be used.
    """
    text = profile if isinstance(profile, ProfileText) else ProfileText(profile, profile.name, "", {})
    try:
        resolved, findings = _judge(text, registry)
    except FlasherUnknown as unknown:
        finding = _finding(text, "unknown-flasher", ("flasher",), unknown.message, unknown.what_to_do)
        resolved, findings = None, [finding, *_hooks(text, registry)]
    if resolved is None or findings:
        count = len(findings)
        raise BadProfile(f"{count} finding{'s' if count != 1 else ''} in {text.file}", findings)
    return resolved


def _judge(text: ProfileText, registry: Registry) -> tuple[Resolved | None, list[Finding]]:
    profile = text.profile
    plugin = registry.flasher(profile.flasher)
    try:
        params = plugin.params.model_validate(profile.params)
    except ValidationError as error:
        found = from_validation(error, plugin.params, text.where, family="profile", prefix=("params",))
        return None, [*found, *_hooks(text, registry)]
    try:
        declaration = plugin.declare(params)
    except Exception as error:  # a stranger's code, which may raise anything
        raise PluginBroken(
            f"{plugin.name!r} cannot declare itself: {type(error).__name__}: {error}"
        ) from error
    return Resolved(plugin, params, declaration), [
        *_abilities(text, declaration),
        *_evidence(text),
        *_link(text),
        *_hooks(text, registry),
    ]


def _abilities(text: ProfileText, can: Declaration) -> list[Finding]:
    """What the profile asks for, against what the flasher declares with these settings."""
    profile = text.profile
    asked: list[tuple[Path, Iterable[str], Iterable[str]]] = [
        (("media",), profile.media, can.media),
        (("format",), (profile.format,), can.formats),
        (("evidence", "transfer"), profile.evidence.transfer or (), can.transfer_evidence),
        (("evidence", "boot"), profile.evidence.boot or (), can.boot_evidence),
        (("rollback",), profile.rollback or (), can.rollback),
    ]
    asked += [
        (("components", at, "kind"), (each.kind,), can.components)
        for at, each in enumerate(profile.components)
    ]
    found = []
    for path, wanted, possible in asked:
        allowed = sorted(map(_text, possible))
        for one in map(_text, wanted):
            if one in allowed or one == "none":
                continue
            close = nearest(one, allowed)
            hint = f"Did you mean {close!r}?  " if close else ""
            message = f"{dotted(path)} has {one!r}, which {profile.flasher} does not give with these params"
            remedy = f"{hint}It gives: {', '.join(allowed) or 'nothing'}."
            found.append(_finding(text, "beyond-flasher", path, message, remedy))
    return found


def _evidence(text: ProfileText) -> list[Finding]:
    table = text.profile.evidence
    return [
        _finding(
            text,
            "bad-value",
            ("evidence", name),
            f"evidence.{name} has 'none', which proves nothing",
            f"Name what counts; evidence.{name} = [] says that it cannot be proved.",
        )
        for name, kinds in (("transfer", table.transfer), ("boot", table.boot))
        if EvidenceKind.NONE in (kinds or ())
    ]


def _link(text: ProfileText) -> list[Finding]:
    """Link options are read by the transport; ask it."""
    if not text.profile.link or Medium.UART not in text.profile.media:
        return []
    from transports.uart.settings import BUS_OPTIONS, Settings

    options = tuple((name, str(value)) for name, value in text.profile.link.items())
    try:
        Settings.of(LinkSpec("uart", "/dev/PORT", options), also=BUS_OPTIONS)
    except BadLink as bad:
        message = bad.message.partition(": ")[2] or bad.message
        return [_finding(text, "bad-value", ("link",), f"link: {message}", bad.what_to_do)]
    return []


def _hooks(text: ProfileText, registry: Registry) -> list[Finding]:
    found = []
    for at, check in enumerate(text.profile.health):
        if not isinstance(check, HookCheck):
            continue
        try:
            registry.health_hook(check.name)
        except (HookUnknown, PluginBroken) as error:
            path = ("health", at, "name")
            found.append(_finding(text, _tail(error), path, error.message, error.what_to_do))
    return found


def _tail(error: TenderError) -> str:
    return "unknown-hook" if isinstance(error, HookUnknown) else "broken-hook"


def _finding(text: ProfileText, code: str, path: Path, message: str, remedy: str) -> Finding:
    return Finding(f"profile-{code}", place(text.file, text.lines, path), dotted(path), message, remedy)


def _text(word: str) -> str:
    return str(word.value) if isinstance(word, StrEnum) else word

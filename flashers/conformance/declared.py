"""Cases about what is said before any node is touched: the declaration, the settings, the files."""

import random
import re

from pydantic import ValidationError

from flashers.api import (
    Activation,
    BadImage,
    Component,
    Exposure,
    FirmwareImage,
    Params,
    ResetKind,
    Resume,
    RollbackKind,
)
from flashers.conformance.lease import through_text
from flashers.conformance.rules import Failure, Table, require
from flashers.conformance.subject import IDENTIFYING, Subject, identity_of
from flashers.sim import SimApp

TABLE = Table()

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_GARBAGE = 300
_FLIPS = 300
_PREFIXES = 400


@TABLE.case()
def introduces_itself(subject: Subject) -> None:
    """A name for profiles, a sentence for people, settings that refuse what is misspelt."""
    plugin = subject.plugin
    require(_NAME.fullmatch(plugin.name), f"{plugin.name!r} is no name: write it like an identifier")
    require(plugin.summary.strip(), "the summary is empty")
    require(issubclass(plugin.params, Params), f"{plugin.params.__name__} is not derived from Params")
    require(isinstance(subject.params, plugin.params), f"the settings are no {plugin.params.__name__}")
    for fault, sentence in plugin.faults.items():
        require(sentence.strip(), f"the fault {fault!r} has no sentence")
    said = subject.params.model_dump(mode="json") | {"no such setting": 1}
    try:
        plugin.params.model_validate(said)
    except ValidationError:
        return
    raise Failure("a setting that does not exist is taken without a word")


@TABLE.case()
def declaration_does_not_contradict_itself(subject: Subject) -> None:
    """What rules and people decide by fits together."""
    said = subject.declared
    through_text(said)
    for what in ("media", "components", "formats", "transfer_evidence"):
        require(getattr(said, what), f"{what} is empty")
    require(said.in_loader.strip(), "in_loader does not say how the node is called there")
    require(said.bytes_per_second > 0, "bytes_per_second is not above zero")
    ways, separate = said.rollback, said.activation is Activation.SEPARATE
    require(RollbackKind.NONE not in ways or len(ways) == 1, "there is a rollback and there is none")
    require(
        (RollbackKind.BOOTLOADER in ways) == said.trial_boot,
        "rollback by the bootloader is what a trial boot gives, and nothing else gives it",
    )
    for kind in (RollbackKind.BOOTLOADER, RollbackKind.SLOT_SWITCH):
        require(kind not in ways or separate, f"{kind} needs a second slot, so activation is separate")
    require(
        separate or said.exposure is Exposure.WINDOW,
        "writing replaces what runs, so there is a time without firmware",
    )
    require(isinstance(said.resume, Resume), "resume is none of the words")


@TABLE.case()
def firmware_files_are_made_as_asked(subject: Subject) -> None:
    """The same arguments give the same bytes, other versions others, unknown options an error."""
    build = subject.plugin.build
    require(subject.file("1.0.0") == subject.file("1.0.0"), "two builds of the same differ")
    require(
        identity_of(subject.old) != identity_of(subject.new), "two versions have one and the same identity"
    )
    evidence = subject.declared.transfer_evidence | subject.declared.boot_evidence
    if evidence & IDENTIFYING:
        named = subject.new.firmware.identity is not None
        require(
            named, "evidence is declared that tells bytes, and an image has no identity to compare it with"
        )
    require(subject.old.size >= subject.size, "the file holds fewer bytes than were asked for")
    for options, size in ({"no-such-option": "1"}, subject.size), (dict(subject.firmware), 3):
        try:
            build(SimApp("1.0.0"), size, options)
        except ValueError:
            continue
        raise Failure(f"build makes a file of {size} bytes with the options {options}")


@TABLE.case()
def an_image_says_what_it_is(subject: Subject) -> None:
    """Format, digest of the file, identity, bytes and component; writable as text."""
    image = through_text(subject.new)
    require(image.format in subject.declared.formats, f"the format {image.format!r} is not declared")
    require(image.artifact.algorithm == "sha256", "artifact is not the SHA-256 of the file")
    require(
        image.artifact == type(image.artifact).sha256(subject.new_file), "artifact is another file's digest"
    )
    require(image.size > 0 and all(part.data for part in image.segments), "an image without bytes")
    ends = [part.end for part in image.segments]
    starts = [part.address for part in image.segments]
    require(all(a <= b for a, b in zip(ends, starts[1:], strict=False)), "segments overlap or are unsorted")
    other = Component("other", image=image.component.image)
    again = subject.plugin.parse(subject.new_file, image.format, other, subject.params)
    require(again.component == other, "the component is not the one that was asked for")
    require(again.firmware == image.firmware, "the same file is another firmware in another component")


@TABLE.case()
def only_images_are_taken_for_images(subject: Subject) -> None:
    """Garbage, bent files and files of an unknown format are refused by name; nothing else is raised."""
    chance = random.Random(7)
    whole = subject.new_file
    for name in sorted(subject.declared.formats):
        framed = name not in subject.unframed
        for _ in range(_GARBAGE):
            taken = _parse(subject, chance.randbytes(chance.randrange(1, 200)), name)
            require(taken is None or not framed, f"garbage is taken for an image ({name})")
        require(_parse(subject, b"", name) is None, f"an empty file is taken for an image ({name})")
        for _ in range(_FLIPS):
            bent = bytearray(whole)
            bent[chance.randrange(len(bent))] ^= 1 << chance.randrange(8)
            _parse(subject, bytes(bent), name)
    require(_parse(subject, whole, "no-such-format") is None, "a format that does not exist is parsed")


@TABLE.case()
def a_part_of_a_file_is_not_an_image(subject: Subject) -> None:
    """No prefix is accepted, unless nothing that matters is missing from it."""
    whole, image = subject.new_file, subject.new
    lengths = {*range(min(len(whole), _PREFIXES)), *range(max(0, len(whole) - _PREFIXES), len(whole))}
    for length in sorted(lengths | set(range(0, len(whole), 61))):
        part = _parse(subject, whole[:length], image.format)
        if part is None or image.format in subject.unframed:
            continue
        same = part.segments == image.segments and part.firmware == image.firmware
        require(same, f"the first {length} of {len(whole)} bytes are taken for an image")


@TABLE.case()
def arguments_can_be_written_to_another_process(subject: Subject) -> None:
    """What a plugin in a process of its own would receive, and what it would declare."""
    through_text(subject.declared)
    through_text(subject.old)
    text = subject.params.model_dump_json()
    again = subject.plugin.params.model_validate_json(text)
    require(again == subject.params, "settings come back from text as others")
    require(isinstance(ResetKind.NONE, str), "words are no text")


def _parse(subject: Subject, data: bytes, name: str) -> FirmwareImage | None:
    """The image, or None where it is refused as it should be."""
    try:
        return subject.plugin.parse(data, name, Component(), subject.params)
    except BadImage as error:
        require(error.code != "internal" and error.message, f"{type(error).__name__} does not say what it is")
        return None
    except Exception as error:
        raise Failure(f"parse raised {error!r} on {len(data)} bytes as {name}: {data[:40].hex()}…") from error

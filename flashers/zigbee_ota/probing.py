"""What a node says of itself: its versions, how far it is with an image, and who it is.

Two questions, each answered from the node's memory, so a look costs nothing.  What a node that was
given an older image under a higher version says of itself is no proof of what it runs; what else it
says (its build, its application's version) may be, where the profile tells how that is written.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from flashers.api import (
    Evidence,
    EvidenceKind,
    Firmware,
    FirmwareImage,
    Identity,
    Of,
    Probe,
    Role,
    Seen,
    Session,
    Slot,
    Strength,
)
from flashers.zigbee_ota.codec.words import (
    BASIC,
    OTA,
    BasicAttribute,
    OtaAttribute,
    UpgradeStatus,
    version_text,
)
from flashers.zigbee_ota.params import OtaParams, Proof
from flashers.zigbee_ota.server import given
from flashers.zigbee_ota.server.offer import header_of
from transports.errors import NodeUnreachable, TenderError
from transports.zcl import AttributeValue, ZigbeeLink

STAGED = "zigbee-ota-staged"
"""What a node was told to wait with, kept for nodes that do not say it themselves: version, artifact."""
_TRIES = 2
_PARTS = (0.25, 0.75)
"""Of the time for an answer: how long the first question waits for it, and the second one."""
_OTA = (
    OtaAttribute.FILE_OFFSET,
    OtaAttribute.CURRENT_FILE_VERSION,
    OtaAttribute.DOWNLOADED_FILE_VERSION,
    OtaAttribute.IMAGE_UPGRADE_STATUS,
    OtaAttribute.MANUFACTURER_ID,
    OtaAttribute.IMAGE_TYPE_ID,
)
_BASIC = (BasicAttribute.APPLICATION_VERSION, BasicAttribute.MODEL_IDENTIFIER, BasicAttribute.SW_BUILD_ID)
_HAS_IT = frozenset({UpgradeStatus.COMPLETE, UpgradeStatus.WAITING, UpgradeStatus.COUNT_DOWN})
_NO_IMAGE_TYPE = 0xFFFF
"""What many nodes have as their image type while they are not updating."""


@dataclass(frozen=True, slots=True)
class Said:
    """A node's own words; None is what it does not say."""

    current: int | None = None
    downloaded: int | None = None
    offset: int | None = None
    status: int | None = None
    manufacturer: int | None = None
    image_type: int | None = None
    application: int | None = None
    model: str | None = None
    build: str | None = None

    @property
    def has_image(self) -> bool:
        """Whether it says that it has a whole image, which it does not run."""
        return self.status in _HAS_IT and self.downloaded not in (None, self.current)


def endpoint_of(link: ZigbeeLink, params: OtaParams) -> int:
    """Where the node's OTA client is."""
    if params.endpoint is not None:
        return params.endpoint
    return next((each for each, clusters in sorted(link.facts.clients.items()) if OTA in clusters), 1)


def _basic_at(link: ZigbeeLink, otherwise: int) -> int:
    servers = sorted(link.facts.servers.items())
    if any(each == otherwise and BASIC in clusters for each, clusters in servers):
        return otherwise
    return next((each for each, clusters in servers if BASIC in clusters), otherwise)


async def ask(link: ZigbeeLink, params: OtaParams, *, tries: int = _TRIES) -> Said | None:
    """What the node says; None where it does not answer.

    Raises:
        LinkLost: the coordinator is gone.
    """
    endpoint, within = endpoint_of(link, params), params.reply_timeout
    first = 1 if link.facts.sleepy else tries
    ota = await _tried(first, lambda: _read(link, OTA, _OTA, endpoint=endpoint, client=True, within=within))
    if ota is None:
        return None
    at = _basic_at(link, endpoint)
    basic = await _tried(tries, lambda: _read(link, BASIC, _BASIC, endpoint=at, within=within))
    if basic is None:
        if params.build_id or set(params.proof) - {Proof.FILE_VERSION}:
            return None  # an answer that was lost is no answer that it has nothing to say
        basic = {}
    image_type = _number(ota, OtaAttribute.IMAGE_TYPE_ID, 0xFFFF)
    return Said(
        current=_number(ota, OtaAttribute.CURRENT_FILE_VERSION),
        downloaded=_number(ota, OtaAttribute.DOWNLOADED_FILE_VERSION),
        offset=_number(ota, OtaAttribute.FILE_OFFSET),
        status=_number(ota, OtaAttribute.IMAGE_UPGRADE_STATUS, 0xFF),
        manufacturer=_number(ota, OtaAttribute.MANUFACTURER_ID, 0xFFFF) or link.facts.manufacturer_code,
        image_type=None if image_type == _NO_IMAGE_TYPE else image_type,
        application=_number(basic, BasicAttribute.APPLICATION_VERSION, 0xFF),
        model=_text(basic, BasicAttribute.MODEL_IDENTIFIER) or link.facts.model,
        build=_text(basic, BasicAttribute.SW_BUILD_ID),
    )


async def _tried(
    tries: int, read: Callable[[], Awaitable[Mapping[int, AttributeValue]]]
) -> Mapping[int, AttributeValue] | None:
    for _ in range(tries):
        try:
            return await read()
        except NodeUnreachable:
            continue
    return None


async def _read(
    link: ZigbeeLink,
    cluster: int,
    attributes: Sequence[int],
    *,
    endpoint: int,
    client: bool = False,
    within: float,
) -> Mapping[int, AttributeValue]:
    """Read, and of a node that is awake once more within the same time.

    Its own stack gives up an answer that finds the channel taken, which is common while others are
    served; then a second question costs less than the rest of the wait.
    """
    parts = (1.0,) if link.facts.sleepy else _PARTS
    for part in parts[:-1]:
        try:
            return await link.read(
                cluster, attributes, endpoint=endpoint, client=client, within=within * part
            )
        except NodeUnreachable:
            continue
    return await link.read(cluster, attributes, endpoint=endpoint, client=client, within=within * parts[-1])


def _number(values: Mapping[int, AttributeValue], name: int, most: int = 0xFFFFFFFF) -> int | None:
    value = values.get(name)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return int(value) if fits and isinstance(value, int) and value != 0xFFFFFFFF else None


def _text(values: Mapping[int, AttributeValue], name: int) -> str | None:
    value = values.get(name)
    if not isinstance(value, str):
        return None
    kept = "".join(each for each in value if each.isprintable()).strip()
    return kept[:64] or None


async def look(session: Session, params: OtaParams, wanted: Probe) -> Seen:
    """Ask the node, and say what is known of it."""
    link = await session.zigbee()
    facts = link.facts
    told = await ask(link, params)
    if told is None:
        return Seen(Role.ASLEEP if facts.sleepy else Role.SILENT)
    identity = Identity(facts.ieee, Strength.HW_ID)
    session.expect(identity)
    return seen_of(told, session, params, wanted.candidates, identity)


def seen_of(
    said: Said,
    session: Session,
    params: OtaParams,
    candidates: tuple[FirmwareImage, ...] = (),
    identity: Identity | None = None,
) -> Seen:
    """A node's words, and what we know of them, as an observation."""
    if said.current is None:
        # It answers, and has no version: such a node can be given an image, and never be proved.
        return Seen(Role.APP, identity=identity, facts=_facts(said))
    told = given.really(session, said.current)
    version = said.current if told is None else told.version
    texts = _texts(candidates, version) or ((told.header,) if told is not None else ())
    wrong = _wrong(said, params, version, texts, disguised=told is not None)
    running = Slot(0, 0, Firmware(version=str(version)), active=True, confirmed=True)
    slots = [running]
    waits = _staged(said, session)
    if waits is not None:
        pending = said.status == UpgradeStatus.COUNT_DOWN
        slots.append(Slot(0, 1, Firmware(version=str(waits)), confirmed=False, pending=pending))
    facts = _facts(said)
    if told is not None:
        facts["given-as"] = version_text(told.told)
    if wrong:
        facts["not-proved"] = wrong
    detail = wrong or f"file version {version_text(said.current)}"
    proof = Evidence(Of.BOOT, EvidenceKind.NONE if wrong else EvidenceKind.VERSION, detail)
    return Seen(Role.APP, tuple(slots), (proof,), identity=identity, facts=facts)


def _wrong(said: Said, params: OtaParams, version: int, texts: tuple[str, ...], *, disguised: bool) -> str:
    """What of the node's words does not agree with this version, or is missing; empty if all does."""
    wrong, agrees = "", False
    if said.build is not None and params.build_id:
        expected = {params.build_id_of(version, text) for text in texts or ("",)}
        agrees = said.build in expected
        if not agrees and (disguised or Proof.BUILD_ID in params.proof):
            wrong = f"its build id is {said.build!r}, and not {' or '.join(sorted(map(repr, expected)))}"
    elif Proof.BUILD_ID in params.proof:
        wrong = "it does not tell its build id, or the profile does not say how that is written"
    if Proof.APPLICATION_VERSION in params.proof:
        number = params.application_version_of(version)
        if said.application != number:
            wrong = wrong or f"its application version is {said.application}, and not {number}"
        else:
            agrees = agrees or not wrong
    if disguised and not wrong and not agrees:
        wrong = "it was given under a higher version, and calls itself by that; nothing else tells"
    return wrong


def _texts(candidates: tuple[FirmwareImage, ...], version: int) -> tuple[str, ...]:
    """The header texts of the images that have this version."""
    found = []
    for image in candidates:
        try:
            header = header_of(image)
        except TenderError:
            continue
        if header.file.version == version:
            found.append(header.text)
    return tuple(found)


def _staged(said: Said, session: Session) -> int | None:
    """The version that waits in the node, by its own word, or by ours where it has none."""
    if said.status is not None:
        waits = said.downloaded if said.has_image else None
    else:
        waits = staged_word(session)[0]
    if waits is None:
        return None
    told = given.really(session, waits)
    return waits if told is None else told.version


def staged_word(session: Session) -> tuple[int | None, str]:
    """The version that the node was told to wait with, and the artifact's digest."""
    number, _, artifact = (session.remembered(STAGED) or "").partition(" ")
    return (int(number), artifact) if number.isdecimal() else (None, "")


def _facts(said: Said) -> dict[str, str | int | bool]:
    numbers = {
        "file-version": None if said.current is None else version_text(said.current),
        "downloaded": None if said.downloaded is None else version_text(said.downloaded),
        "manufacturer": None if said.manufacturer is None else f"0x{said.manufacturer:04x}",
        "image-type": None if said.image_type is None else f"0x{said.image_type:04x}",
        "model": said.model,
        "build-id": said.build,
        "application-version": said.application,
        "upgrade-status": _status(said.status),
        "offset": said.offset if said.status == UpgradeStatus.DOWNLOADING else None,
    }
    return {name: value for name, value in numbers.items() if value is not None}


def _status(status: int | None) -> str | None:
    if status is None:
        return None
    known = status in set(UpgradeStatus)
    return UpgradeStatus(status).name.lower().replace("_", "-") if known else f"0x{status:02x}"

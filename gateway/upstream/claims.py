"""Whose a node on the air is, between gateways: a retained word of each gateway about each address.

Each gateway writes its own topic and no other, which a broker's access list can hold it
to, and reads those of the addresses that its own nodes have.
"""

import asyncio
import logging
import secrets
from typing import Annotated, Literal, Protocol

from pydantic import Field, ValidationError

from flashers.api import Stamp
from gateway.model.radio import Claim, Stand
from gateway.releases import strict_json
from gateway.releases.errors import BadRelease
from gateway.upstream.errors import UpstreamRefused
from gateway.upstream.outgoing import Detail, Moment, Outgoing
from gateway.upstream.requests import REVISION_MAX, Incoming
from gateway.upstream.topics import escape, unescape
from gateway.upstream.wire import Arrived, Wire

log = logging.getLogger(__name__)

CLAIM_MAX = 4096
"""Bytes of a claim that are looked at."""
_HEX_DIGITS = 12

Number = Annotated[int, Field(ge=0, le=REVISION_MAX)]
Gateway = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class ClaimDesk(Protocol):
    """Who knows what this gateway says, and wants to know what the others say."""

    @property
    def reading(self) -> "ClaimReading":
        """What was read since the present connection began."""
        ...

    def addresses(self) -> frozenset[str]:
        """The radio addresses whose claims are wanted."""
        ...

    def word(self, address: str) -> Claim:
        """What this gateway says of one."""
        ...

    def heard(self, address: str, gateway: str, claim: Claim) -> None:
        """What a gateway says of one; our own comes back, too."""
        ...


class ClaimReading(Protocol):
    """What was read since the connection began; see :mod:`gateway.service.radio.reading`."""

    def connected(self) -> None:
        """A connection began: nothing was read yet."""
        ...

    def disconnected(self) -> None:
        """It ended."""
        ...

    def marked(self, address: str) -> None:
        """A mark came back, and with it all that was said before."""
        ...

    def is_marked(self, address: str) -> bool:
        """Whether it has."""
        ...

    async def news(self) -> None:
        """Wait until there may be something to say or to ask for."""
        ...


class ClaimMessage(Outgoing):
    """What a gateway says of a node on the air; retained on `ADDRESS/GATEWAY` below `claims`."""

    schema_: Literal[1] = Field(default=1, alias="schema", description="The form of this message: 1.")
    stand: Literal["none", "wants", "has", "gave"] = Field(
        description="`has`: the node is its own; `gave`: it let go of it, for the gateway in `to`; "
        "`wants`: it asks whether anybody has it; `none`: it lays no claim."
    )
    epoch: int = Field(description="How often the node has changed hands, as this gateway knows.")
    revision: int = Field(description="Grows with every change of this message: an older one is ignored.")
    to: str | None = Field(default=None, description="The one gateway that may take it.")
    since: Moment | None = Field(default=None, description="Since when it says so.")
    by: Detail = Field(default="", description="Who asked for it; empty where nobody had to.")

    @classmethod
    def of(cls, claim: Claim) -> "ClaimMessage":
        """A claim for the others."""
        return cls(
            stand=claim.stand.value,
            epoch=claim.epoch,
            revision=claim.revision,
            to=claim.to,
            since=Moment.of(claim.since),
            by=claim.by,
        )


class _When(Incoming):
    unix_ms: int
    synchronised: bool


class _Read(Incoming):
    """The same as it comes in."""

    schema_: Annotated[int, Field(alias="schema", ge=1, le=1)]
    stand: Annotated[Stand, Field(strict=False)]
    epoch: Number
    revision: Annotated[int, Field(ge=1, le=REVISION_MAX)]
    to: Gateway | None = None
    since: _When | None = None
    by: Annotated[str, Field(max_length=200)] = ""


class _Mark(Incoming):
    mark: Annotated[str, Field(max_length=64)]


def read_claim(payload: bytes) -> Claim | None:
    """A claim; None if it is none, as of a newer Tender: what is not understood is not believed."""
    try:
        read = _Read.model_validate_json(_checked(payload))
    except (ValidationError, BadRelease) as error:
        log.debug("no claim: %s", error)
        return None
    if (read.stand is Stand.GAVE) is (read.to is None):
        return None
    since = Stamp(read.since.unix_ms, read.since.synchronised) if read.since is not None else None
    return Claim(read.stand, read.epoch, read.revision, read.to, since, read.by)


def _checked(payload: bytes) -> bytes:
    strict_json.loads(payload, what="claim", limit=CLAIM_MAX)
    return payload


class ClaimTalk:
    """The claims over one connection."""

    def __init__(self, wire: Wire, desk: ClaimDesk, prefix: str, gateway: str) -> None:
        self._wire = wire
        self._desk = desk
        self._prefix = prefix
        self._gateway = gateway
        self._asked: set[str] = set()
        self._said: dict[str, int] = {}
        self._closed: set[str] = set()
        # Another one each time: one of an earlier connection may still be under way to us.
        self._mark = secrets.token_hex(8)
        self.refused: str | None = None
        """A topic that the broker does not let us read or write."""

    async def run(self) -> None:
        """Ask for what is wanted, and say what has changed; ends with the connection, by its error."""
        reading = self._desk.reading
        reading.connected()
        try:
            while True:
                for address in sorted(self._desk.addresses()):
                    await self._keep_up(address)
                await reading.news()
        finally:
            reading.disconnected()

    async def _keep_up(self, address: str) -> None:
        if address in self._closed:
            return
        try:
            await self._ask(address)
            await self._say(address)
        except UpstreamRefused:
            # Without a claim no node becomes ours; what is ours stays so, and all else goes on.
            self._give_up(address, self._topic(address))

    async def _ask(self, address: str) -> None:
        if address in self._asked:
            return
        self._asked.add(address)
        everybody = f"{self._prefix}/{topic_of(address)}/+"
        if not await self._wire.subscribe(everybody):
            self._give_up(address, everybody)
            return
        mark = b'{"schema":1,"mark":"%s"}' % self._mark.encode()
        await (await self._wire.publish(self._topic(address), mark)).wait()

    async def _say(self, address: str) -> None:
        # What upstream kept of ours may be newer, where the journal came from an export: it is read first.
        word = self._desk.word(address)
        news = word.revision and self._said.get(address) != word.revision
        if not news or not self._desk.reading.is_marked(address):
            return
        payload = ClaimMessage.of(word).payload()
        await (await self._wire.publish(self._topic(address), payload, retain=True)).wait()
        self._said[address] = word.revision

    def _give_up(self, address: str, topic: str) -> None:
        self._closed.add(address)
        self.refused = topic

    def takes(self, arrived: Arrived) -> bool:
        """Take a message if it is a claim; in the order of arrival, which is what all rests upon."""
        if not arrived.topic.startswith(f"{self._prefix}/"):
            return False
        levels = arrived.topic.removeprefix(f"{self._prefix}/").split("/")
        address = address_of(levels[0])
        if len(levels) != 2 or address is None:
            return False
        gateway = unescape(levels[1])
        if gateway == self._gateway and not arrived.retained and self._is_mark(arrived.payload):
            self._desk.reading.marked(address)
            return True
        claim = read_claim(arrived.payload)
        if claim is not None:
            self._desk.heard(address, gateway, claim)
        return True

    def _is_mark(self, payload: bytes) -> bool:
        try:
            return _Mark.model_validate_json(payload[:CLAIM_MAX]).mark == self._mark
        except ValidationError:
            return False

    def _topic(self, address: str) -> str:
        return f"{self._prefix}/{topic_of(address)}/{escape(self._gateway)}"


def topic_of(address: str) -> str:
    """An address as one level of a topic: twelve small hex digits."""
    return address.replace(":", "").lower()


def address_of(level: str) -> str | None:
    """The address of such a level; None if it is none."""
    if len(level) != _HEX_DIGITS or set(level) - set("0123456789abcdef"):
        return None
    return ":".join(level[at : at + 2] for at in range(0, _HEX_DIGITS, 2)).upper()


async def no_claims() -> None:
    """Where nobody keeps any: nothing to say, until the connection ends."""
    await asyncio.Event().wait()

"""The attributes of a virtual node, by cluster and side, and what it answers to the general commands.

An answer holds what fits into one frame; who asked for more asks again (ZCL revision 8, 2.5.2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flashers.zigbee_ota.codec import BadCommand, Status, general
from flashers.zigbee_ota.codec.general import Attribute, Reporting
from flashers.zigbee_ota.codec.words import General
from transports.zcl import AttributeValue, Zcl

_ROOM = 70
"""Bytes of records in one answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """An attribute: its type, and where its value comes from."""

    type: int
    value: Callable[[], AttributeValue]


Table = Mapping[tuple[int, bool], Mapping[int, Told]]
"""(cluster, whether it is its client side) → attributes by number."""


def reply(asked: Zcl, command: int, payload: bytes) -> Zcl:
    """A general command back to whoever sent this one."""
    return Zcl(
        asked.cluster,
        command,
        payload,
        endpoint=asked.endpoint,
        tsn=asked.tsn,
        to_client=not asked.to_client,
        general=True,
        manufacturer=asked.manufacturer,
        profile=asked.profile,
    )


def default(asked: Zcl, status: int) -> Zcl:
    """A default response to this command."""
    return reply(asked, General.DEFAULT_RESPONSE, general.encode_default(asked.command, status))


class Clusters:
    """Answers for one endpoint.

    ``wants_reports`` is called with what is to be reported from now on, and says which of it is not;
    ``reports`` says how often an attribute (cluster, number) is to be reported, if it is.
    """

    def __init__(
        self,
        table: Table,
        wants_reports: Callable[[int, Reporting], Status],
        reports: Callable[[int, int], tuple[int, int] | None],
    ) -> None:
        self._table = table
        self._wants_reports = wants_reports
        self._reports = reports

    def answer(self, asked: Zcl) -> Zcl | None:
        """What is said to a general command, if anything is."""
        attributes = self._table.get((asked.cluster, asked.to_client))
        if asked.command in (General.DEFAULT_RESPONSE, General.READ_RESPONSE, General.REPORT):
            return None
        if attributes is None:
            return default(asked, Status.UNSUPPORTED_CLUSTER)
        if asked.manufacturer is not None:
            return default(asked, Status.UNSUPPORTED_COMMAND)
        try:
            match asked.command:
                case General.READ:
                    return reply(asked, General.READ_RESPONSE, self._read(attributes, asked.payload))
                case General.WRITE:
                    return reply(asked, General.WRITE_RESPONSE, self._write(attributes, asked.payload))
                case General.CONFIGURE_REPORTING:
                    said = self._configure(asked, attributes)
                    return reply(asked, General.CONFIGURE_REPORTING_RESPONSE, said)
                case General.READ_REPORTING:
                    said = self._reported(asked, attributes)
                    return reply(asked, General.READ_REPORTING_RESPONSE, said)
                case _:
                    return default(asked, Status.UNSUPPORTED_GENERAL_COMMAND)
        except BadCommand:
            return default(asked, Status.MALFORMED_COMMAND)

    def _read(self, attributes: Mapping[int, Told], payload: bytes) -> bytes:
        said = b""
        for number in general.decode_read(payload):
            told = attributes.get(number)
            record = general.encode_read_response(
                {
                    number: Status.UNSUPPORTED_ATTRIBUTE
                    if told is None
                    else Attribute(number, told.type, told.value())
                }
            )
            if len(said) + len(record) > _ROOM:
                break
            said += record
        return said

    def _write(self, attributes: Mapping[int, Told], payload: bytes) -> bytes:
        """Nothing of this node can be written."""
        said = b""
        for each in general.decode_attributes(payload):
            status = Status.READ_ONLY if each.id in attributes else Status.UNSUPPORTED_ATTRIBUTE
            said += bytes((status,)) + each.id.to_bytes(2, "little")
        return said or bytes((Status.SUCCESS,))

    def _configure(self, asked: Zcl, attributes: Mapping[int, Told]) -> bytes:
        said = b""
        for each in general.decode_reporting(asked.payload):
            told = attributes.get(each.id)
            if told is None:
                status = Status.UNSUPPORTED_ATTRIBUTE
            elif told.type != each.type:
                status = Status.INVALID_DATA_TYPE
            else:
                status = self._wants_reports(asked.cluster, each)
            if status is not Status.SUCCESS:
                said += bytes((status, 0)) + each.id.to_bytes(2, "little")
        return said or bytes((Status.SUCCESS,))

    def _reported(self, asked: Zcl, attributes: Mapping[int, Told]) -> bytes:
        found: dict[int, Reporting | Status] = {}
        for number in general.decode_read_reporting(asked.payload):
            told, often = attributes.get(number), self._reports(asked.cluster, number)
            if told is None:
                found[number] = Status.UNSUPPORTED_ATTRIBUTE
            else:
                found[number] = Reporting(number, told.type, *often) if often else Status.NOT_FOUND
        return general.encode_reporting_read(found)

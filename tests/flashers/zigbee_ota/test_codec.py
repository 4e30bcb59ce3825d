"""The OTA cluster's commands: as zigpy writes and reads them, and whatever a stranger may send."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashers.zigbee_ota.codec import (
    Answer,
    BadCommand,
    File,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Request,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    answer,
    frame,
    general,
    read_answer,
    read_request,
)
from flashers.zigbee_ota.codec.general import Attribute, Reporting
from flashers.zigbee_ota.codec.header import FIXED_SIZE, Header, elements
from flashers.zigbee_ota.codec.words import (
    BasicAttribute,
    General,
    OtaAttribute,
    PollAttribute,
    PowerAttribute,
)
from transports.zcl import Zcl

pytest.importorskip("zigpy")

U8, U16 = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
U32, U64 = st.integers(0, 0xFFFFFFFF), st.integers(0, 2**64 - 1)
FILES = st.builds(File, U16, U16, U32)
BLOCKS = st.binary(max_size=100)
REFUSALS = st.sampled_from([Status.ABORT, Status.NO_IMAGE_AVAILABLE, Status.NOT_AUTHORIZED])


def _notify(jitter: int, parts: list[int]) -> ImageNotify:
    return ImageNotify(jitter, *parts)


COMMANDS: list[st.SearchStrategy[Request | Answer]] = [
    st.builds(QueryNextImageRequest, FILES, st.none() | U16),
    st.builds(ImageBlockRequest, FILES, U32, U8, st.none() | U64, st.none() | U16),
    st.builds(ImagePageRequest, FILES, U32, U8, U16, U16, st.none() | U64),
    st.builds(UpgradeEndRequest, st.sampled_from(list(Status)), FILES),
    st.builds(QueryDeviceSpecificFileRequest, U64, FILES, U16),
    st.builds(_notify, st.integers(1, 100), st.lists(U16, max_size=3)),
    st.builds(QueryNextImageResponse, st.just(Status.SUCCESS), FILES, U32),
    st.builds(QueryNextImageResponse, REFUSALS),
    st.builds(QueryDeviceSpecificFileResponse, st.just(Status.SUCCESS), FILES, U32),
    st.builds(QueryDeviceSpecificFileResponse, REFUSALS),
    st.builds(ImageBlockResponse, st.just(Status.SUCCESS), FILES, U32, BLOCKS),
    st.builds(ImageBlockResponse.wait, U32, period=U16),
    st.builds(ImageBlockResponse, REFUSALS),
    st.builds(UpgradeEndResponse, FILES, U32, U32),
]


def _zigpy_schema(command: Request | Answer) -> Any:
    from zigpy.zcl.clusters.general import Ota

    defs = Ota.ClientCommandDefs if command.to_client else Ota.ServerCommandDefs
    (found,) = [each for each in defs if each.id == command.command]
    return found.schema


def _read(command: Request | Answer, payload: bytes) -> Request | Answer:
    zcl = Zcl(0x0019, command.command, payload, to_client=command.to_client)
    return read_answer(zcl) if command.to_client else read_request(zcl)


@given(st.one_of(COMMANDS))
def test_every_command_is_written_and_read_as_zigpy_does_it(command: Request | Answer) -> None:
    schema = _zigpy_schema(command)
    ours = command.encode()
    theirs: Any
    theirs, rest = schema.deserialize(ours)
    assert rest == b""
    assert theirs.serialize() == ours
    assert _read(command, theirs.serialize()) == command


def test_the_fields_of_a_block_request_mean_to_zigpy_what_they_mean_to_us() -> None:
    asked = ImageBlockRequest(File(0x117C, 0x2101, 0x23089631), 1000, 64, 0x00124B001CAABBCC, 250)
    theirs, _ = _zigpy_schema(asked).deserialize(asked.encode())
    assert (theirs.manufacturer_code, theirs.image_type, theirs.file_version) == (
        0x117C,
        0x2101,
        0x23089631,
    )
    assert (theirs.file_offset, theirs.maximum_data_size) == (1000, 64)
    assert str(theirs.request_node_addr) == "00:12:4b:00:1c:aa:bb:cc"
    assert theirs.minimum_block_period == 250


def test_the_fields_of_a_page_request_and_a_block_mean_to_zigpy_what_they_mean_to_us() -> None:
    page = ImagePageRequest(File(1, 2, 3), 4096, 64, 1024, 10)
    theirs, _ = _zigpy_schema(page).deserialize(page.encode())
    assert (theirs.file_offset, theirs.maximum_data_size) == (4096, 64)
    assert (theirs.page_size, theirs.response_spacing) == (1024, 10)
    block = ImageBlockResponse(Status.SUCCESS, File(1, 2, 3), 77, b"abc")
    theirs, _ = _zigpy_schema(block).deserialize(block.encode())
    assert (theirs.file_version, theirs.file_offset, bytes(theirs.image_data)) == (3, 77, b"abc")
    wait = ImageBlockResponse.wait(5, period=300)
    theirs, _ = _zigpy_schema(wait).deserialize(wait.encode())
    assert int(theirs.request_time) - int(theirs.current_time) == 5
    assert theirs.minimum_block_period == 300


@given(st.one_of(COMMANDS), st.data())
def test_a_command_that_is_cut_off_is_one_named_error(command: Request | Answer, data: Any) -> None:
    payload = command.encode()
    cut = payload[: data.draw(st.integers(0, len(payload) - 1))]
    try:
        _read(command, cut)
    except BadCommand:
        return
    # Only a wait may be shorter: without the period that nodes of old do not know.
    assert command == ImageBlockResponse.wait(command.ask_at, period=command.period)  # type: ignore[union-attr]
    assert len(cut) >= len(payload) - 2


@given(st.one_of(COMMANDS), st.binary(min_size=1, max_size=8))
def test_bytes_after_the_last_field_are_not_minded(command: Request | Answer, more: bytes) -> None:
    if isinstance(command, ImageBlockResponse) and command.period is None and command.ask_at:
        return
    assert _read(command, command.encode() + more) == command


@given(U8, st.binary(max_size=60), st.booleans(), st.booleans(), st.none() | U16)
def test_whatever_comes_is_a_command_or_one_named_error(
    number: int, payload: bytes, down: bool, general_one: bool, vendor: int | None
) -> None:
    zcl = Zcl(0x0019, number, payload, to_client=down, general=general_one, manufacturer=vendor)
    for read in (read_request, read_answer):
        with suppress(BadCommand):
            assert read(zcl).command == number


def test_an_answer_goes_to_the_endpoint_and_bears_the_number_of_its_question() -> None:
    asked = frame(QueryNextImageRequest(File(1, 2, 3)), endpoint=7, tsn=200)
    said = answer(asked, QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE))
    assert (said.endpoint, said.tsn, said.to_client) == (7, 200, True)
    assert read_answer(said) == QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)


PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
VALUES = st.one_of(
    st.tuples(st.sampled_from([general.U8, general.ENUM8, general.BITMAP8]), U8),
    st.tuples(st.just(general.U16), U16),
    st.tuples(st.just(general.U32), U32),
    st.tuples(st.just(general.EUI64), U64),
    st.tuples(st.just(general.I16), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(general.BOOL), st.booleans()),
    st.tuples(st.just(general.TEXT), st.text(PRINTABLE, max_size=30)),
    st.tuples(st.just(general.OCTETS), st.binary(max_size=30)),
)
ATTRIBUTES = st.lists(
    st.builds(lambda number, typed: Attribute(number, *typed), U16, VALUES),
    max_size=6,
    unique_by=lambda attribute: attribute.id,
)


@given(ATTRIBUTES)
def test_attributes_are_read_by_zigpy_as_they_were_written(attributes: list[Attribute]) -> None:
    from zigpy.zcl import foundation

    schema = foundation.GENERAL_COMMANDS[foundation.GeneralCommand.Read_Attributes_rsp].schema
    ours = general.encode_read_response(
        {each.id: each for each in attributes} | {0x1_0000 - 1: Status.UNSUPPORTED_ATTRIBUTE}
    )
    theirs: Any
    theirs, rest = schema.deserialize(ours)
    assert rest == b""
    assert theirs.serialize() == ours
    read = general.decode_read_response(ours)
    kept = {each.id: each.value for each in attributes if each.id != 0xFFFF}
    assert read == kept
    for record in theirs.status_records:
        if record.attrid in kept:
            assert record.value.type in {each.type for each in attributes}
    assert general.decode_attributes(general.encode_attributes(attributes)) == tuple(attributes)


def test_reporting_is_asked_for_as_zigpy_does_it() -> None:
    from zigpy.zcl import foundation

    wanted = Reporting(0x0000, general.I16, 5, 300, 10)
    ours = general.encode_reporting([wanted])
    schema = foundation.GENERAL_COMMANDS[foundation.GeneralCommand.Configure_Reporting].schema
    theirs: Any
    theirs, rest = schema.deserialize(ours)
    assert rest == b""
    (record,) = theirs.config_records
    assert (record.min_interval, record.max_interval, record.reportable_change) == (5, 300, 10)
    assert general.decode_reporting(theirs.serialize()) == (wanted,)


@given(st.binary(max_size=60))
def test_general_commands_of_strangers_are_read_or_one_named_error(payload: bytes) -> None:
    for read in (
        general.decode_read,
        general.decode_read_response,
        general.decode_attributes,
        general.decode_default,
        general.decode_reporting,
    ):
        with suppress(BadCommand):
            assert read(payload) is not None


HEADERS = st.builds(
    Header,
    FILES,
    U32,
    text=st.text(PRINTABLE, max_size=32),
    hardware=st.none() | st.tuples(U16, U16),
    destination=st.none() | U64,
    security=st.none() | U8,
)


@given(HEADERS)
def test_a_header_is_written_as_zigpy_does_it(header: Header) -> None:
    from zigpy.ota.image import OTAImageHeader

    ours = header.encode()
    theirs, rest = OTAImageHeader.deserialize(ours)
    assert rest == b""
    assert theirs.serialize() == ours
    assert theirs.header_length == len(ours)
    read = Header.decode(ours)
    assert (read.file, read.total, read.text.rstrip("\0")) == (header.file, header.total, header.text)
    assert (read.hardware, read.destination, read.security) == (
        header.hardware,
        header.destination,
        header.security,
    )


@given(st.binary(max_size=100))
def test_a_header_of_a_stranger_is_read_or_one_named_error(data: bytes) -> None:
    for whole in (data, Header(File(1, 2, 3), 100).encode()[:4] + data):
        with suppress(BadCommand):
            header = Header.decode(whole)
            assert header.length >= FIXED_SIZE
            assert all(end <= len(whole) for _, _, end in elements(whole, header.length))


def test_how_an_attribute_is_reported_is_read_to_the_last_byte() -> None:
    """As it stands in ZCL revision 8, 2.5.10: with and without a change, not configured, the other way."""
    wanted = Reporting(0x0000, 0x29, 10, 300, 50)
    discrete = Reporting(0x0010, 0x10, 1, 60)
    data = bytes.fromhex("00000000290a002c013200 000010001001003c00 8b002000 000130005802")
    assert general.decode_reporting_read(data) == {0: wanted, 0x10: discrete, 0x20: None, 0x30: None}
    told = general.encode_reporting_read({0: wanted, 0x10: discrete, 0x20: Status.NOT_FOUND})
    assert told == data[:-6]
    assert general.encode_read_reporting([0, 0x10]) == bytes.fromhex("000000001000")
    assert general.decode_read_reporting(bytes.fromhex("000000011000001000")) == (0, 0x10)
    for length in range(1, 11):
        with pytest.raises(BadCommand):
            general.decode_reporting_read(data[:length])


def test_numbers_are_those_of_zigpy() -> None:
    from zigpy.zcl import foundation
    from zigpy.zcl.clusters.general import Basic, Ota, PollControl, PowerConfiguration

    theirs: dict[str, int] = {each.name: int(each) for each in foundation.Status}
    other_names = {
        "UNSUPPORTED_COMMAND": "UNSUP_CLUSTER_COMMAND",
        "UNSUPPORTED_GENERAL_COMMAND": "UNSUP_GENERAL_COMMAND",
    }
    for status in Status:
        assert theirs[other_names.get(status.name, status.name)] == status
    of_cluster: list[tuple[Any, Any]] = [
        (OtaAttribute, Ota),
        (BasicAttribute, Basic),
        (PowerAttribute, PowerConfiguration),
        (PollAttribute, PollControl),
    ]
    for ours, cluster in of_cluster:
        numbers = {int(each.id) for each in cluster.AttributeDefs}
        assert {int(each) for each in ours} <= numbers
    assert int(Ota.AttributeDefs.image_upgrade_status.id) == OtaAttribute.IMAGE_UPGRADE_STATUS
    assert int(Ota.AttributeDefs.current_file_version.id) == OtaAttribute.CURRENT_FILE_VERSION
    assert int(Ota.AttributeDefs.downloaded_file_version.id) == OtaAttribute.DOWNLOADED_FILE_VERSION
    assert int(Ota.AttributeDefs.file_offset.id) == OtaAttribute.FILE_OFFSET
    assert int(Basic.AttributeDefs.sw_build_id.id) == BasicAttribute.SW_BUILD_ID
    assert int(Basic.AttributeDefs.app_version.id) == BasicAttribute.APPLICATION_VERSION
    commands: dict[str, int] = {each.name: int(each) for each in foundation.GeneralCommand}
    assert commands["Read_Attributes"] == General.READ
    assert commands["Configure_Reporting"] == General.CONFIGURE_REPORTING
    assert commands["Read_Reporting_Configuration"] == General.READ_REPORTING
    assert commands["Report_Attributes"] == General.REPORT
    assert commands["Default_Response"] == General.DEFAULT_RESPONSE


@given(st.integers(0, 255), st.binary(min_size=16, max_size=16))
@settings(max_examples=400)
def test_a_value_of_a_type_that_we_read_is_as_long_as_zigpy_has_it(kind: int, data: bytes) -> None:
    from zigpy.zcl import foundation

    if kind in (general.OCTETS, general.TEXT):
        return
    try:
        _, end = general.decode_value(kind, data, 0)
    except BadCommand:
        return
    ids: Any = foundation.DataTypeId
    found: Any = foundation.DataType.from_type_id(ids(kind))
    _, rest = found.python_type.deserialize(data)
    assert len(rest) == len(data) - end
    assert general._is_analog(kind) == (found.type_class == foundation.DataClass.Analog)

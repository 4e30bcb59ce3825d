"""Attributes as nodes write them, held to how zigpy writes them."""

import math
from typing import Any

import pytest
import zigpy.types
from hypothesis import given
from hypothesis import strategies as st
from zigpy.zcl import foundation

from transports.zcl import AttributeValue
from transports.zigbee.attributes import answered, asked

t: Any = zigpy.types
Record: Any = foundation.ReadAttributeRecord


def record(attribute: int, value: Any) -> bytes:
    """One record of a Read Attributes Response, by zigpy."""
    kind = foundation.DataType.from_python_type(type(value)).type_id
    typed = foundation.TypeValue(type=kind, value=value)
    written = Record(attribute, foundation.Status.SUCCESS, typed)
    return bytes(written.serialize())


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (t.uint8_t(7), 7),
        (t.uint16_t(0x1234), 0x1234),
        (t.uint24_t(0x123456), 0x123456),
        (t.uint32_t(0xFFFFFFFE), 0xFFFFFFFE),
        (t.uint64_t(2**63), 2**63),
        (t.int8s(-5), -5),
        (t.int16s(-300), -300),
        (t.int32s(-70000), -70000),
        (t.enum8(3), 3),
        (t.enum16(513), 513),
        (t.bitmap8(0x81), 0x81),
        (t.bitmap32(0x80000001), 0x80000001),
        (t.Bool.true, True),
        (t.Bool.false, False),
        (t.CharacterString("1.4.2"), "1.4.2"),
        (t.LVBytes(b"\x00\x01\xff"), b"\x00\x01\xff"),
        (t.LongCharacterString("x" * 300), "x" * 300),
        (t.Single(1.5), 1.5),
        (t.Double(-2.25), -2.25),
        (t.EUI64.convert("00:12:4b:00:1c:aa:bb:cc"), 0x00124B001CAABBCC),
    ],
)
def test_values_are_read_as_they_were_written(value: Any, read: AttributeValue) -> None:
    # Another record behind it says that the length was right as well.
    payload = record(0x4000, value) + record(0x0001, t.uint8_t(9))
    values, absent = answered(payload)
    assert values == {0x4000: read, 0x0001: 9}
    assert type(values[0x4000]) is type(read)
    assert absent == frozenset()


def test_what_a_node_does_not_have_is_told_from_what_it_did_not_get_to_say() -> None:
    unsupported = (0x0006).to_bytes(2, "little") + b"\x86"
    values, absent = answered(record(2, t.uint32_t(1)) + unsupported + record(9, t.uint32_t(5))[:-2])
    assert values == {2: 1}
    assert absent == {6}


def test_a_text_is_as_long_as_its_bytes() -> None:
    """Not held to zigpy, which counts letters as it writes one."""
    values, _ = answered(bytes.fromhex("004000" + "42") + b"\x08" + "größer".encode())
    assert values == {0x4000: "größer"}


def test_an_invalid_string_is_no_value() -> None:
    values, absent = answered(bytes.fromhex("004000" + "42" + "ff"))
    assert not values
    assert absent == {0x4000}


def test_the_question_is_what_zigpy_asks() -> None:
    schema = foundation.GENERAL_COMMANDS[foundation.GeneralCommand.Read_Attributes].schema
    assert asked([0x0002, 0x4000]) == schema(attribute_ids=[0x0002, 0x4000]).serialize()


@given(st.binary(max_size=90))
def test_no_answer_of_a_node_makes_it_stumble(payload: bytes) -> None:
    values, _ = answered(payload)
    assert all(isinstance(each, int | str | bytes | float) for each in values.values())
    assert not any(
        isinstance(each, float) and math.isinf(each) and len(payload) < 7 for each in values.values()
    )

"""A link's name is its text, and back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transports.errors import BadLink
from transports.links import LinkSpec, Medium


@given(
    st.one_of(
        st.text(max_size=40),
        st.tuples(st.sampled_from(["uart:", "socket://", "rfc2217:"]), st.text(max_size=40)).map("".join),
        st.from_regex(
            r"uart:/dev/tty[A-Z]{3}[0-9](\?[a-z]=[a-z0-9%&+;]{0,8})?(#[0-9]{1,3})?", fullmatch=True
        ),
    )
)
@example("uart:/dev/serial/by-id/usb-1a86_USB2.0-Serial-if00-port0?baud=115200&parity=even#0x1f")
@example("rfc2217://[::1]:4000")
def test_any_text_is_a_link_that_reads_the_same_again_or_a_bad_link(text: str) -> None:
    try:
        spec = LinkSpec.parse(text)
    except BadLink:
        return
    assert LinkSpec.parse(str(spec)) == spec
    assert spec.medium is Medium.UART


def test_the_channel_is_the_same_for_all_nodes_of_a_bus() -> None:
    one, two = (LinkSpec.parse(f"uart:/dev/ttyUSB0?baud=9600#{address}") for address in (1, 2))
    assert one.channel == two.channel == "uart:/dev/ttyUSB0"
    assert (one.address, two.address) == ("1", "2")


@pytest.mark.parametrize("text", ["", "uart:", "uart:?baud=1", "socket://", "/dev/ttyUSB0", "usb:1", "uart"])
def test_what_names_nothing_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadLink) as caught:
        LinkSpec.parse(text)
    assert "uart:/dev/ttyUSB0" in caught.value.what_to_do

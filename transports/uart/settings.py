"""How a UART is set: speed and framing, read from a link's options.

The same options hold for local ports and for RFC 2217 servers::

    uart:/dev/ttyUSB0?baud=57600&parity=even&bits=8&stop=1&rtscts=off
"""

from dataclasses import dataclass
from enum import StrEnum

from transports.errors import BadLink
from transports.links import LinkSpec


class Parity(StrEnum):
    """The parity bit."""

    NONE = "none"
    ODD = "odd"
    EVEN = "even"
    MARK = "mark"
    SPACE = "space"


_SWITCH = {
    "on": True,
    "1": True,
    "true": True,
    "yes": True,
    "off": False,
    "0": False,
    "false": False,
    "no": False,
}
_SHORT = {parity.value[0]: parity for parity in Parity} | {parity.value: parity for parity in Parity}
SERIAL_OPTIONS = frozenset({"baud", "parity", "bits", "stop", "rtscts"})
"""What these settings are read from."""
BUS_OPTIONS = frozenset({"select"})
"""What :mod:`transports.uart.bus` reads, on any line that several nodes can share."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Speed in bits per second and framing; 115200 8N1 without flow control if nothing is said."""

    baud: int = 115_200
    parity: Parity = Parity.NONE
    bits: int = 8
    stop: int = 1
    rtscts: bool = False

    @classmethod
    def of(cls, spec: LinkSpec, *, also: frozenset[str] = frozenset()) -> "Settings":
        """Read the options of a link.

        Args:
            spec: the link.
            also: further options, which somebody else reads.

        Raises:
            BadLink: an option is unknown, or has a value that no UART has.
        """
        check_options(spec, SERIAL_OPTIONS | also)
        parity = (spec.option("parity") or "none").lower()
        if parity not in _SHORT:
            raise BadLink(f"{spec}: parity is one of {', '.join(Parity)}, not {parity!r}")
        rtscts = (spec.option("rtscts") or "off").lower()
        if rtscts not in _SWITCH:
            raise BadLink(f"{spec}: rtscts is on or off, not {rtscts!r}")
        return cls(
            baud=number_option(spec, "baud", 115_200, 50, 12_000_000),
            parity=_SHORT[parity],
            bits=number_option(spec, "bits", 8, 5, 8),
            stop=number_option(spec, "stop", 1, 1, 2),
            rtscts=_SWITCH[rtscts],
        )


def check_options(spec: LinkSpec, known: frozenset[str]) -> None:
    """Refuse options that nobody would read.

    Raises:
        BadLink: there is one.
    """
    unknown = sorted({name for name, _ in spec.options} - known)
    if unknown:
        said = ", ".join(sorted(known)) or "none"
        raise BadLink(
            f"{spec}: unknown option {unknown[0]!r}", remedy=f"Options of {spec.scheme}: are {said}."
        )


def number_option(spec: LinkSpec, name: str, default: int, least: int, most: int) -> int:
    """A whole number among the options.

    Raises:
        BadLink: it is none, or out of range.
    """
    text = spec.option(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise BadLink(f"{spec}: {name} is a number from {least} to {most}, not {text!r}")
    return int(text)

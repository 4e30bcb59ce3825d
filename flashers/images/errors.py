"""What can be wrong with a firmware file, one name and one code for each.

All of it is found before any node hears of the file.
"""

from flashers.api import BadImage


class HexMalformed(BadImage):
    """A record of the Intel HEX file is not one, or its checksum is wrong."""

    code = "hex-malformed"
    remedy = "Export the file again; it was edited, or damaged on its way here."


class HexNoEnd(BadImage):
    """The Intel HEX file does not end with its one end-of-file record."""

    code = "hex-no-end"
    remedy = "The file was cut off, or two were joined: export or download it again."


class ImageEmpty(BadImage):
    """There is not one byte of firmware in the file."""

    code = "image-empty"
    remedy = "Check that the build wrote its output, and that this is the right file."


class ImageOverlap(BadImage):
    """The file gives one address twice."""

    code = "image-overlap"
    remedy = "Two parts of the build overlap; correct the linker script or the merge of the files."


class OutsidePart(BadImage):
    """The file puts bytes where the part has no program memory."""

    code = "outside-part"
    remedy = "Check that the image is for this part, and that it holds no fuses or EEPROM contents."


class IntoBootSection(BadImage):
    """The file would write over the node's loader."""

    code = "into-boot-section"
    remedy = "Build without the loader, or correct the profile if the node's boot section is smaller."


class ImageForOtherHardware(BadImage):
    """The file itself says that it is for other hardware."""

    code = "wrong-hardware"
    remedy = "Choose the artifact for this node's hardware, or correct the profile."


class NoResetVector(BadImage):
    """Nothing lies where the part starts to execute, so the image could never run."""

    code = "no-reset-vector"
    remedy = "Build for an application that starts at the reset vector (no offset in the linker script)."


class WrongFormat(BadImage):
    """The file is of another format than it was said to be, or of none that this node takes."""

    code = "wrong-format"
    remedy = "Name the file's format, or export it as Intel HEX (avr-objcopy -O ihex)."

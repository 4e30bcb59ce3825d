"""What can be wrong with an OTA file; each is found before any node hears of it."""

from flashers.api import BadImage


class NotOta(BadImage):
    """The file holds no OTA header, or is given with another format."""

    code = "not-ota"
    remedy = "Give the vendor's OTA file (.ota, .zigbee, .sbl-ota, …) with the format zigbee-ota."


class OtaTruncated(BadImage):
    """The file ends before the end that its header names."""

    code = "ota-truncated"
    remedy = "The file was cut off on its way here: download or copy it again."


class OtaMalformed(BadImage):
    """The header contradicts itself."""

    code = "ota-malformed"
    remedy = "Take the file from its vendor again; a node would refuse this one after hours of transfer."


class OtaEmpty(BadImage):
    """The file holds a header and no firmware."""

    code = "ota-empty"
    remedy = "Take the file from its vendor again."


class OtherManufacturer(BadImage):
    """The file is another manufacturer's."""

    code = "wrong-manufacturer"
    remedy = "Deploy the file for these nodes, or correct `manufacturer` in the profile."


class OtherImageType(BadImage):
    """The file is for another type of node of this manufacturer."""

    code = "wrong-image-type"
    remedy = "Deploy the file for these nodes, or correct `image_type` in the profile."


class OtherHardware(BadImage):
    """The file is for other revisions of the board."""

    code = "wrong-hardware-version"
    remedy = "Deploy the file for this revision, or correct `hardware` in the profile."


class NotFirmware(BadImage):
    """The file is no firmware, but credentials, a configuration or a log."""

    code = "ota-not-firmware"
    remedy = "Only firmware is brought to nodes; its image type is below 0xffc0."


class ReaderMissing(BadImage):
    """OTA files are read by zigpy, which is not installed here."""

    code = "ota-reader-missing"
    remedy = "Install Tender with the extra: pip install 'fleet-tender[zigbee]'."

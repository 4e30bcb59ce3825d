"""What legacy packages and loaders have against each other, as named errors."""

from flashers.api import BadImage, FlashError, NodeRefused, NotSupported, TransferRefused


class NotWholeWords(BadImage):
    """The image's size is no multiple of four bytes, which no loader accepts."""

    code = "not-whole-words"
    remedy = "Have the linker fill the image up to a whole word, and build the package again."


class NoVersion(TransferRefused):
    """The package names no version, and a version is all that such nodes prove a boot by."""

    code = "no-version"
    remedy = "Build it with `--application-version`, or set `version_characteristic` to an empty text."


class WrongDeviceType(TransferRefused):
    """The package is for nodes of another device type."""

    code = "wrong-device-type"
    remedy = "Deploy the package that was built for this board, or correct `device_type` in the profile."


class WrongDeviceRevision(TransferRefused):
    """The package is for another revision of the board."""

    code = "wrong-device-revision"
    remedy = (
        "Deploy the package that was built for this revision, or correct `device_revision` in the profile."
    )


class OtherSoftDevice(TransferRefused):
    """The package was linked for other SoftDevices than the node's."""

    code = "wrong-softdevice"
    remedy = "Build it for the SoftDevice that is on the node, or correct `softdevice` in the profile."


class OlderVersion(TransferRefused):
    """The loader takes no such version any more."""

    code = "downgrade-refused"
    remedy = "Deploy a higher version; the rule is the loader's own (`version_rule` in the profile)."


class SameVersion(TransferRefused):
    """The loader does not take the version again that it has."""

    code = "same-version-refused"
    remedy = "Deploy a higher version; the rule is the loader's own (`version_rule` in the profile)."


class NoWayIn(NotSupported):
    """The application has no service that leads into the loader."""

    code = "no-way-into-loader"
    remedy = "Check `entry` in the profile; a node without such a service wants somebody at its button."


class StaysInApplication(NodeRefused):
    """The application was told to leave for the loader, and goes on."""

    code = "stays-in-application"
    remedy = "It may want a bond first; see the profile's pairing."
    retryable = True


class LoaderTooOld(NotSupported):
    """The loader speaks the first form of the protocol (SDK 6 and earlier)."""

    code = "loader-too-old"
    remedy = "Bring a newer loader onto the node by wire."


class InitRefused(TransferRefused):
    """The loader will not take this init packet; a loader with one bank has erased the old image by then."""

    code = "init-packet-refused"
    remedy = "Say in the profile what this loader wants, so that it is found before anything is erased."


class LoaderRefused(NodeRefused):
    """The loader said no at a step of the transfer."""

    code = "loader-refused"
    retryable = True


class PacketsLost(FlashError):
    """The loader has taken fewer bytes than were sent: it writes more slowly than they came.

    What it has can only be begun anew.
    """

    code = "packets-lost"
    remedy = (
        "Tender tries again with fewer packets at a time; set `receipts` in the profile to what goes well."
    )
    retryable = True

"""What a loader says no to, by name.

Most of it is found out before a node is sent into its loader; what comes here is what the
profile did not say, or what the loader knows better.
"""

from flashers.api import ImageMismatch, NodeRefused, TransferRefused
from flashers.nordic_dfu.secure.codec import Response
from flashers.nordic_dfu.secure.words import Extended, Result


class LoaderRefusedVersion(TransferRefused):
    """The loader has installed a higher version before, and takes no lower one."""

    code = "downgrade-refused"
    remedy = "Build the firmware with a higher version, or say in the profile what `version_rule` holds."


class LoaderRefusedHardware(TransferRefused):
    """The loader was built for another board than the package."""

    code = "wrong-hardware"
    remedy = "Give the node the right profile, and set `hw_version` in it."


class LoaderRefusedSoftDevice(TransferRefused):
    """The node has another SoftDevice than the package was built for."""

    code = "wrong-softdevice"
    remedy = "Build for the node's SoftDevice, and set `softdevice` in the profile."


class LoaderRefusedSignature(TransferRefused):
    """The loader does not believe the package's signature."""

    code = "bad-signature"
    remedy = "Sign the package with the loader's key, and set `public_key` in the profile."


class InitTooLarge(TransferRefused):
    """The loader keeps no init packet of that size."""

    code = "bad-init-packet"
    remedy = "Build the package with fewer SoftDevices in `--sd-req`; loaders up to SDK 15.0 keep 256 bytes."


class NoRoomInLoader(TransferRefused):
    """The loader has no room for the image."""

    code = "image-too-large"
    remedy = "Build a smaller image, and set `max_size` in the profile."


class LoaderLost(NodeRefused):
    """The loader is not where it left off, as after a restart; sending again begins anew."""

    code = "loader-restarted"
    remedy = "Tender sends the image again; look at the node's power if it persists."
    retryable = True


_OF_EXTENDED: dict[int, type[TransferRefused]] = {
    Extended.FW_VERSION_FAILURE: LoaderRefusedVersion,
    Extended.HW_VERSION_FAILURE: LoaderRefusedHardware,
    Extended.SD_VERSION_FAILURE: LoaderRefusedSoftDevice,
    Extended.SIGNATURE_MISSING: LoaderRefusedSignature,
    Extended.WRONG_SIGNATURE_TYPE: LoaderRefusedSignature,
    Extended.INSUFFICIENT_SPACE: NoRoomInLoader,
}


def init_refused(answer: Response) -> TransferRefused:
    """Why an init packet was not taken.

    A signature that does not verify is an invalid object (``nrf_dfu_validation.c``).
    """
    if answer.extended is not None:
        kind = _OF_EXTENDED.get(answer.extended, TransferRefused)
    elif answer.result == Result.INVALID_OBJECT:
        kind = LoaderRefusedSignature
    elif answer.result == Result.INSUFFICIENT_RESOURCES:
        kind = NoRoomInLoader
    else:
        kind = TransferRefused
    return kind(f"the loader refuses the init packet: {answer.said}")


def image_refused(answer: Response) -> ImageMismatch:
    """Why a complete image was not started."""
    return ImageMismatch(f"the loader does not start the image: {answer.said}")

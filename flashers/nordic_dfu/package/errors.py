"""What can be wrong with a package; in every case no node was touched."""

from flashers.api import BadImage


class WrongFormat(BadImage):
    """The format is none of this flasher's."""

    code = "wrong-format"
    remedy = "Set the profile's `format`, or give a file of the right one."


class BadPackage(BadImage):
    """The zip is not a DFU package, or is not as it says."""

    code = "bad-package"
    remedy = "Build the package again, with `nrfutil pkg generate` or `adafruit-nrfutil dfu genpkg`."


class WrongKind(BadImage):
    """The package has no firmware of the kind that the component is."""

    code = "wrong-kind"
    remedy = "Give a package with an application, or name the component that this is for."


class BadInit(BadImage):
    """The init packet cannot be understood, so no loader would."""

    code = "bad-init-packet"
    remedy = "Build the package again with `nrfutil pkg generate`."


class SizeMismatch(BadImage):
    """The init packet speaks of another number of bytes than the image has."""

    code = "size-mismatch"
    remedy = "Build the package again; its image was changed after its init packet was made."


class HashMismatch(BadImage):
    """The init packet was made for other bytes than the image's."""

    code = "hash-mismatch"
    remedy = "Build the package again; its image was changed after its init packet was made."


class BadSignature(BadImage):
    """The package was not signed by the key of this profile's loaders, or changed since."""

    code = "bad-signature"
    remedy = "Sign the package with the key that belongs to the profile's `public_key`."


class Unsigned(BadImage):
    """The package is not signed, and the profile's loaders take signed ones only."""

    code = "unsigned"
    remedy = "Build the package with `nrfutil pkg generate --key-file`."

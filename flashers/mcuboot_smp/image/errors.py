"""What can be wrong with an MCUboot image; each is found before a byte is sent."""

from flashers.api import BadImage


class NotMcuboot(BadImage):
    """The artifact is of a format that this flasher does not read."""

    code = "wrong-format"
    remedy = "Give the signed binary that imgtool writes (zephyr.signed.bin), with the format mcuboot."


class WrongMagic(BadImage):
    """The file does not begin as an MCUboot image does."""

    code = "wrong-magic"
    remedy = "Take the signed file: the build's zephyr.signed.bin rather than zephyr.bin, .hex or .elf."


class ImageTruncated(BadImage):
    """The file ends before the image that its header announces."""

    code = "image-truncated"
    remedy = "The file was cut off on its way here: copy or build it again."


class ImageMalformed(BadImage):
    """The parts of the image do not fit together."""

    code = "image-malformed"
    remedy = "Sign the image again with a current imgtool; the file may have been changed afterwards."


class ImageWithoutDigest(BadImage):
    """The image carries no digest, so neither we nor its node could ever name it."""

    code = "image-without-digest"
    remedy = "Sign the image with imgtool, which adds the digest."


class ImageDigestMismatch(BadImage):
    """The image's bytes do not give the digest that it carries."""

    code = "image-digest-mismatch"
    remedy = "The file was damaged or changed after it was signed: copy or build it again."


class WrongKey(BadImage):
    """The image is not signed with the key that the node's bootloader accepts."""

    code = "wrong-key"
    remedy = "Sign with the product's key, or correct key_hash in the profile (imgtool getpubhash shows it)."

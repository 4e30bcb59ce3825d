"""A kernel unpacked beforehand: an emulated processor takes long seconds to do it itself.

The boot protocol says where the payload of a ``bzImage`` lies
(``Documentation/arch/x86/boot.rst``: setup_sects at 0x1f1, payload_offset at 0x248,
payload_length at 0x24c).  The ELF file in it can be started directly (PVH).
"""

import lzma
import struct


def unpacked(image: bytes) -> bytes | None:
    """The ELF file in a ``bzImage``, or None if it is packed in a way that is not known here."""
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = image[start : start + length]
    try:
        plain = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
    except lzma.LZMAError:
        return None
    return plain if plain.startswith(b"\x7fELF") else None

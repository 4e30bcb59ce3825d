"""Install codes: a node's own secret, printed on it, under which alone it takes a network's key.

The code is 6 to 16 bytes and two of a checksum; the key is its hash by AES in the mode of Matyas,
Meyer and Oseas (Zigbee specification, annex B.6; Base Device Behavior, 10.1).
"""

import struct

BLOCK = 16
LENGTHS = (8, 10, 14, 18)
"""Bytes of a code with its checksum."""


def key_of(code: bytes) -> bytes:
    """The key of a code, whose checksum is part of it.

    Raises:
        ValueError: it is no install code by its length.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if len(code) not in LENGTHS:
        raise ValueError(f"an install code has {', '.join(map(str, LENGTHS))} bytes, not {len(code)}")
    padded = code + b"\x80"
    padded += bytes(-(len(padded) + 2) % BLOCK) + struct.pack(">H", 8 * len(code))
    digest = bytes(BLOCK)
    for at in range(0, len(padded), BLOCK):
        block = padded[at : at + BLOCK]
        # The mode is this hash's own definition: one block at a time, each under another key.
        cipher = Cipher(algorithms.AES(digest), modes.ECB()).encryptor()  # noqa: S305
        digest = bytes(a ^ b for a, b in zip(cipher.update(block), block, strict=True))
    return digest

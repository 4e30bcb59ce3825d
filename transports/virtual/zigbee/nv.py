"""What a Z-Stack coordinator keeps in its flash, as host programs read and write it.

Hosts do not only form a network by commands: they read and write the stack's own structures,
laid out as the compiler of a 32-bit chip lays them out.  The items, their numbers and structures
are those of TI's Z-Stack 3.x (ZComDef.h, nwk.h, and the Monitor and Test API for the commands);
an item that is not there has a length of zero.
"""

import json
import random
import struct
from enum import IntEnum

from transports.virtual.zigbee.descriptors import ieee_bytes
from transports.virtual.zigbee.nib import Nib


class Item(IntEnum):
    """Items that the stack itself knows (ZComDef.h)."""

    EXTADDR = 0x0001
    BOOTCOUNTER = 0x0002
    STARTUP_OPTION = 0x0003
    START_DELAY = 0x0004
    NIB = 0x0021
    POLL_RATE = 0x0035
    EXTENDED_PAN_ID = 0x002D
    BCAST_RETRIES = 0x002E
    PASSIVE_ACK_TIMEOUT = 0x002F
    BCAST_DELIVERY_TIME = 0x0030
    CONCENTRATOR_ENABLE = 0x0032
    CONCENTRATOR_DISCOVERY = 0x0033
    CONCENTRATOR_RADIUS = 0x0034
    CONCENTRATOR_RC = 0x0036
    SRC_RTG_EXPIRY_TIME = 0x0038
    NWK_ACTIVE_KEY_INFO = 0x003A
    NWK_ALTERN_KEY_INFO = 0x003B
    NWK_CHILD_AGE_ENABLE = 0x003E
    APS_FRAME_RETRIES = 0x0043
    APS_ACK_WAIT_DURATION = 0x0044
    APS_USE_EXT_PANID = 0x0047
    APS_LINK_KEY_TABLE = 0x004C
    ON_A_NETWORK = 0x0055
    SECURITY_LEVEL = 0x0061
    PRECFGKEY = 0x0062
    PRECFGKEYS_ENABLE = 0x0063
    USERDESC = 0x0081
    NWKKEY = 0x0082
    PANID = 0x0083
    CHANLIST = 0x0084
    LOGICAL_TYPE = 0x0087
    ZDO_DIRECT_CB = 0x008F
    TCLK_SEED = 0x0101


class Table(IntEnum):
    """Tables of the newer kind, of system 1: an entry is an item of its own."""

    ADDRMGR = 0x0001
    TCLK = 0x0004
    APS_KEYS = 0x0006
    SECURITY_MATERIAL = 0x0007


ZSTACK = 1
"""The system number of the stack's own items."""
CLEAR_CONFIG, CLEAR_STATE = 0x01, 0x02
"""What a reset clears (ZCD_NV_STARTUP_OPTION)."""
ADDRESSES, KEYS, APS_KEYS, MATERIALS = 64, 64, 8, 4
"""Entries of the tables; those of common firmware are longer, and only take longer to read."""
FREE_ADDRESS = b"\xff" * 12
SAVE_EVERY = 250
"""Frames between two writes of the frame counter; it resumes well above the last one written."""


class Memory:
    """The flash of a coordinator; a value that can be kept and given back."""

    def __init__(self, ieee: str, dice: random.Random) -> None:
        self.ieee = ieee
        self.items: dict[int, bytes] = {}
        self.tables: dict[tuple[int, int, int], bytes] = {}
        self._seed = dice.randbytes(16)
        self.complete()

    def complete(self) -> None:
        """Make what a stack makes at its start where it is missing."""
        link_keys = bytes(2 + 6 * APS_KEYS)
        defaults = {
            Item.EXTADDR: ieee_bytes(self.ieee),
            Item.BOOTCOUNTER: bytes(2),
            Item.STARTUP_OPTION: bytes(1),
            Item.START_DELAY: b"\x0a",
            Item.NIB: bytes(Nib().data),
            Item.POLL_RATE: bytes(4),
            Item.EXTENDED_PAN_ID: b"\xff" * 8,
            Item.BCAST_RETRIES: b"\x02",
            Item.PASSIVE_ACK_TIMEOUT: b"\x05",
            Item.BCAST_DELIVERY_TIME: b"\x1e",
            Item.CONCENTRATOR_ENABLE: b"\x01",
            Item.CONCENTRATOR_DISCOVERY: b"\x78",
            Item.CONCENTRATOR_RADIUS: b"\x0a",
            Item.CONCENTRATOR_RC: b"\x01",
            Item.SRC_RTG_EXPIRY_TIME: b"\xff",
            Item.NWK_ACTIVE_KEY_INFO: bytes(17),
            Item.NWK_ALTERN_KEY_INFO: bytes(17),
            Item.NWK_CHILD_AGE_ENABLE: bytes(1),
            Item.APS_FRAME_RETRIES: b"\x03",
            Item.APS_ACK_WAIT_DURATION: struct.pack("<H", 1600),
            Item.APS_USE_EXT_PANID: bytes(8),
            Item.APS_LINK_KEY_TABLE: link_keys,
            Item.ON_A_NETWORK: bytes(1),
            Item.SECURITY_LEVEL: b"\x05",
            Item.PRECFGKEY: bytes(16),
            Item.PRECFGKEYS_ENABLE: b"\x01",
            Item.USERDESC: bytes(17),
            Item.NWKKEY: bytes(24),
            Item.PANID: b"\xff\xff",
            Item.CHANLIST: struct.pack("<I", 1 << 11),
            Item.LOGICAL_TYPE: bytes(1),
            Item.ZDO_DIRECT_CB: bytes(1),
            Item.TCLK_SEED: self._seed,
        }
        for item, value in defaults.items():
            self.items.setdefault(item, value)
        for table, count, empty in (
            (Table.ADDRMGR, ADDRESSES, FREE_ADDRESS),
            (Table.TCLK, KEYS, bytes(20)),
            (Table.APS_KEYS, APS_KEYS, bytes(24)),
            (Table.SECURITY_MATERIAL, MATERIALS, bytes(12)),
        ):
            for number in range(count):
                self.tables.setdefault((ZSTACK, table, number), empty)

    def start(self) -> None:
        """What a stack does with its flash when the chip starts."""
        options = self.items.get(Item.STARTUP_OPTION, b"\x00")[0]
        state = {Item.NIB, Item.NWK_ACTIVE_KEY_INFO, Item.NWK_ALTERN_KEY_INFO, Item.ON_A_NETWORK, Item.NWKKEY}
        config = {Item.PANID, Item.CHANLIST, Item.APS_USE_EXT_PANID, Item.EXTENDED_PAN_ID, Item.PRECFGKEY}
        gone = (state if options & CLEAR_STATE else set()) | (config if options & CLEAR_CONFIG else set())
        for item in gone:
            self.items.pop(item, None)
        if options & CLEAR_STATE:
            self.tables.clear()
        self.items[Item.STARTUP_OPTION] = bytes(1)
        self.complete()
        (boots,) = struct.unpack("<H", self.items[Item.BOOTCOUNTER])
        self.items[Item.BOOTCOUNTER] = struct.pack("<H", (boots + 1) % 0x10000)

    @property
    def nib(self) -> Nib:
        """The network, as it is written down."""
        return Nib(self.items.get(Item.NIB))

    @property
    def own_ieee(self) -> bytes:
        """The coordinator's address, lowest byte first; a host may have changed it."""
        return self.items.get(Item.EXTADDR, ieee_bytes(self.ieee))

    @property
    def formed(self) -> bool:
        """There is a network to resume."""
        return self.items.get(Item.ON_A_NETWORK) == b"\x01" and self.nib.channel != 0

    @property
    def key(self) -> bytes:
        """The network key."""
        return self.items.get(Item.NWK_ACTIVE_KEY_INFO, bytes(17))[1:17]

    def keep_key(self, key: bytes) -> None:
        """Write a network key wherever hosts look for it."""
        info = b"\x00" + key
        self.items[Item.NWK_ACTIVE_KEY_INFO] = self.items[Item.NWK_ALTERN_KEY_INFO] = info
        self.items[Item.NWKKEY] = info + bytes(7)

    def count_from(self, extended: bytes) -> int:
        """The frame counter to go on from, in this network."""
        for number in range(MATERIALS):
            entry = self.tables.get((ZSTACK, Table.SECURITY_MATERIAL, number), bytes(12))
            if len(entry) == 12 and entry[4:] == extended:
                return int(struct.unpack_from("<I", entry)[0])
        return 0

    def keep_count(self, extended: bytes, count: int) -> None:
        """Write the frame counter."""
        entry = struct.pack("<I", count & 0xFFFFFFFF) + extended
        self.tables[(ZSTACK, Table.SECURITY_MATERIAL, 0)] = entry

    def keep_nodes(self, nodes: list[tuple[str, int, bool]]) -> None:
        """Write who is in the network: address, short address, whether it is a sleepy child."""
        for number in range(ADDRESSES):
            entry, key = FREE_ADDRESS, bytes(20)
            if number < len(nodes):
                ieee, nwk, child = nodes[number]
                entry = struct.pack("<BxH", 0x02 | child, nwk) + ieee_bytes(ieee)
                # Its link key is the seed turned by its number: verified, no counters yet.
                key = bytes(8) + ieee_bytes(ieee) + bytes((2, 0, number % 16, 0))
            self.tables[(ZSTACK, Table.ADDRMGR, number)] = entry
            if number < KEYS:
                self.tables[(ZSTACK, Table.TCLK, number)] = key

    def dump(self) -> str:
        """All of it, as text."""
        return json.dumps(
            {
                "ieee": self.ieee,
                "items": {f"{number:04x}": value.hex() for number, value in self.items.items()},
                "tables": {".".join(map(str, key)): value.hex() for key, value in self.tables.items()},
            }
        )

    @classmethod
    def load(cls, text: str, dice: random.Random) -> "Memory":
        """What :meth:`dump` made."""
        read = json.loads(text)
        made = cls(read["ieee"], dice)
        made.items = {int(number, 16): bytes.fromhex(value) for number, value in read["items"].items()}
        made.tables = {}
        for key, value in read["tables"].items():
            system, table, number = (int(part) for part in key.split("."))
            made.tables[system, table, number] = bytes.fromhex(value)
        made.complete()
        return made

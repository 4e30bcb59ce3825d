"""What a virtual node has against a file: its header, held against the node and what was offered."""

from flashers.zigbee_ota.codec import File
from flashers.zigbee_ota.codec.header import Header
from flashers.zigbee_ota.virtual.board import Board


def refusal(board: Board, header: Header, offered: File, size: int) -> str:
    """Why the node does not take this file; nothing if it does (ZCL revision 8, 11.4.2, 11.11)."""
    own, options = board.own, board.options
    file = header.file
    if (file.manufacturer, file.image_type) != (own.manufacturer, own.image_type):
        return f"it is for {file}"
    if header.total != size:
        return f"its header says {header.total} bytes, and {size} were offered"
    if header.hardware is not None and not header.hardware[0] <= own.hardware <= header.hardware[1]:
        return f"it is for hardware {header.hardware[0]} to {header.hardware[1]}"
    if header.destination not in (None, own.ieee):
        return "it is for another node"
    if options.strict_version and file.version != offered.version:
        return f"its header says version 0x{file.version:08x}, and 0x{offered.version:08x} was offered"
    running = board.running
    if options.no_old_header and running is not None and file.version <= running.header.file.version:
        return "its own version is no higher than what runs"
    return ""

"""Media for virtual nodes: memory, PTY, TCP, RFC 2217, a shared bus, their faults and their clock."""

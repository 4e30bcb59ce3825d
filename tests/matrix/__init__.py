"""Whatever dies, and when: the same attempt under every fault that a list can hold."""

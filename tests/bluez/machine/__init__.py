"""A small machine with Debian's kernel and BlueZ, for hosts whose own kernel has no Bluetooth.

It sees the host's files read-only, below a layer of its own in memory, so that nothing has to
be installed in it and nothing can be spoilt by it.
"""

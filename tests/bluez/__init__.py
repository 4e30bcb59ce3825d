"""The real BlueZ: kernel, bluetoothd and bleak's own backend, in a small machine made for it."""

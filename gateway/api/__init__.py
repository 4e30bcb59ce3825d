"""The local door: HTTP on a Unix socket, for the command line and whoever else is on this machine."""

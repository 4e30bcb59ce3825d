"""The OTA cluster's commands and the few general ones that a node and its server need; no I/O."""

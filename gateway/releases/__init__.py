"""Releases: signed manifests, the files that carry them, and how both are made."""

"""The secure protocol: signed packages, objects with checksums, resumption."""

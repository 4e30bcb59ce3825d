"""The journal's shape, as numbered steps that are applied in order and never edited."""

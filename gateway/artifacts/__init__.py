"""Artifacts: verified bytes, how they come here and where they are kept."""

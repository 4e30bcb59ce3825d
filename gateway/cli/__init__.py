"""The command ``tender``."""

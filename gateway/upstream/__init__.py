"""Telling an upstream what is true, and being told what is wanted."""

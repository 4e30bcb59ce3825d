"""Exports of the state: sealed, opened, taken in; and what becomes of bad ones."""

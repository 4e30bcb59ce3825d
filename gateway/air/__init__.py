"""``tender virtual air``: nodes behind a radio that is not there, described in a file."""

"""Who belongs to this gateway, and what of it is still true."""

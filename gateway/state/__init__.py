"""The state folder as one sealed file, so that a lost disk is not a lost site."""

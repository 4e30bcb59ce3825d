"""Seeing: is anything broken and did we do it, what happened, who ordered it, what was on the link."""

"""One attempt: what comes next, and doing it."""

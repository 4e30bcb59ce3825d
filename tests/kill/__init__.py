"""The real process, killed by the hundred, in front of real ports and a real broker."""

"""Help for people, with or without a running service: what is wrong here, and what to send the vendor."""

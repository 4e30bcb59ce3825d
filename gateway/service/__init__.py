"""The gateway at work: what is deployed where, when, and what is shown of it."""

"""Whether the node that answers is the one that is meant."""

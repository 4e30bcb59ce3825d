"""Trust: which keys may say what nodes are to run."""

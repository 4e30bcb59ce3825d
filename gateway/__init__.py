"""The service: everything that is about many nodes, time and people."""

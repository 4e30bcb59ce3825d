"""Nodes on the air: who is there, who belongs here, and whose each one is."""

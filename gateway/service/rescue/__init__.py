"""Bring nodes back that do not answer, by what is connected to them: lines, ports, relays."""

"""Nodes behind adapters: how they are reached, who may be in its loader, and what they wait for."""

"""How a release goes from one node to all: waves, pauses, holds, budgets."""

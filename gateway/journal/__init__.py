"""What must survive a power cut: attempts, what was told, and what is known of nodes."""

from gateway.journal.database import Database
from gateway.journal.journal import Journal

__all__ = ["Database", "Journal"]

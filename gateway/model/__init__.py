"""The values that the journal stores and upstream is told: words, records, results."""

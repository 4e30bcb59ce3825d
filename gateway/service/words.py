"""A node's words from the journal, for the attempt that is about to be with it."""

from gateway.attempt.words import Words
from gateway.journal import Journal
from gateway.model.records import Record


async def words_of(journal: Journal, record: Record) -> Words:
    """What was remembered of this attempt's board.  Raises JournalError."""

    async def keep(name: str, value: str | None) -> None:
        await journal.keep_word(record.node, record.generation, name, value, record.id)

    return Words(await journal.words(record.node, record.generation), keep)

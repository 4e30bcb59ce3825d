"""A thousand days of one gateway and two hundred nodes, in virtual time.

A *script* is made from a seed: what people ask for and what goes wrong, each with its
time.  A *town* is where it happens: the real gateway with its journal, store and
upstream conversation, virtual nodes on lines in memory, a broker.  The *oracle* looks
on; it knows the script, what the nodes' flashes hold and what was told, and nothing
of how the gateway comes to it: it shares no code with the engine.

A seed that fails is walked again, step by step the same, with::

    python -m tests.years SEED --days DAYS

``TENDER_YEARS=full`` walks several seeds, ``TENDER_YEARS_SEED=N`` that one.
"""

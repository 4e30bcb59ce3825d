"""The ten questions that are asked at three in the morning, each in a staged failure.

``python -m tools.questions`` stages them with real processes, asks each with the one
command that answers it, holds the answer against what is really so, and writes
``docs/ten-questions.md``.  A test does the same without writing.
"""

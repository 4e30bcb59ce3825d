"""How fast we are, side by side with the tool that one would use instead, in one run.

Figures are medians of interleaved runs and are told as ratios, since machines are noisy.
Nothing here is a test: a slow machine does not fail a build.
"""

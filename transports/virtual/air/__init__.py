"""A virtual air: radios that reach each other in memory, paced like real ones.

Hosts and controllers are bumble's; the air between them is ours, because bumble's
own has no time, no loss and no distance.
"""

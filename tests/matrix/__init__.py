"""Whatever dies, and when: the same attempt under every fault that a list can hold.

A *family* is a kind of node, as small as its protocol allows; a *case* is an image on
such a node, and the ends that are right for it; a *fate* is what goes wrong in one
run.  A *world* holds a gateway and a node that live through a fate; a *guard* looks at
both before every flash operation, and a *judge* at what is left in the end.

A bad fate is printed as text and can be run again alone, with all that passed::

    python -m tests.matrix smp-swap/healthy 'kill@8+ cut@5~'

``TENDER_MATRIX=full`` walks more of the products that an ordinary run only takes parts of.
"""

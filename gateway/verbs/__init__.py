"""What can be asked of a running gateway beyond the core of :mod:`gateway.control`.

One module an area: a protocol with its verbs, and the plain values that they take
and give.  ``Control`` has an attribute for each; the local API, the commands and
every upstream call these and nothing else.
"""

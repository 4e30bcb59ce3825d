"""Zigbee over-the-air upgrades: a server that paces, proves, resumes and takes back.

The node pulls.  ``codec`` has the cluster's commands, ``image`` the files, ``virtual`` a node that
asks as real ones do; the README tells an integrator what to write into a profile.
"""

from flashers.zigbee_ota.plugin import FORMAT, PLUGIN

__all__ = ["FORMAT", "PLUGIN"]

"""A Zigbee network that is not there, with its nodes, for any gateway and for any other host."""

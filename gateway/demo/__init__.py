"""``tender demo``: a gateway, a broker and a fleet of virtual nodes, with every kind of trouble."""

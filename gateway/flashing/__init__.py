"""``tender flash``: one image on one node, by the same attempt as everything else, without a service."""

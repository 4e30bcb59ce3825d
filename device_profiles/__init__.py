"""Device profiles: one TOML file for each type of node.  See README.md beside this."""

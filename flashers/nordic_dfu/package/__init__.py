"""DFU packages: the zip with its manifest, and the init packets of both protocols."""

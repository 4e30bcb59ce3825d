"""Virtual nodes with Nordic's loaders, one module for each protocol."""

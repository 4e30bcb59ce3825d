"""The real bootloaders on a simulated AVR: sources and their build."""

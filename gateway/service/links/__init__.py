"""Links that are shared: who has them, who may have them, and whose fault it is when they do not carry."""

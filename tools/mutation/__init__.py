"""A small mutation tester: small wrong changes to the code, each of which a test has to notice."""

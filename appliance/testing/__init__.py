"""Public aids for tests: simulated network, manual clock, fake host, conformance suites."""

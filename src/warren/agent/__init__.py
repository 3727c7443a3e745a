"""The daemon: reads the configuration, puts the parts together, runs them."""

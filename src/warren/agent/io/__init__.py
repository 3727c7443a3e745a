"""Input and output of the agent."""

"""Effects: what verbs ask of the host, as values."""

"""Where health and metrics meet the host: echoes, exposition, logs."""

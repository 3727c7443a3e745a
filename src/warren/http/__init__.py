"""HTTP/1.1 over h11: messages, authentication, listeners and the server."""

"""Who may say what: keys, the trust bundle, the node's identity."""

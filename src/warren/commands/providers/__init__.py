"""Every verb, one file for each kind of thing that verbs are about."""

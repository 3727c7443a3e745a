"""Providers: the verbs, a module for each kind of thing that they operate on."""

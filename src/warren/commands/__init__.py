"""Signed commands: an operator's word, carried out at most once, and answered."""

"""Signed commands: envelope, verification, policy, replay, verbs, and the pipeline that executes them."""

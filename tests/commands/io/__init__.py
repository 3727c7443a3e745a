"""Tests of `warren.commands.io`."""

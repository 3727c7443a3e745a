"""Tests of `warren.commands`."""

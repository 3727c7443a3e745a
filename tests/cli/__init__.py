"""Tests of the command `warren`."""

"""Tests of `warren.tunnel`."""

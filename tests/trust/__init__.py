"""Tests of `warren.trust`."""

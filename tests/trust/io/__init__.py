"""Tests of `warren.trust.io`."""

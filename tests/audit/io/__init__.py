"""Tests of `warren.audit.io`."""

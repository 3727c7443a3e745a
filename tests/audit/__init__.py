"""Tests of `warren.audit`."""

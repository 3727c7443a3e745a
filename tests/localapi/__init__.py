"""Tests of `warren.localapi`."""

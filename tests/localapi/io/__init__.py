"""Tests of `warren.localapi.io`."""

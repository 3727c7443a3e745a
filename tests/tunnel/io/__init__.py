"""Tests of `warren.tunnel.io`."""

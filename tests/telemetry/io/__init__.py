"""Tests of `warren.telemetry.io`."""

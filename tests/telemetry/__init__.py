"""Tests of `warren.telemetry`."""

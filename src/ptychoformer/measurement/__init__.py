"""Measured and simulated scans as files."""

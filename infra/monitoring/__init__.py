"""Measurements over all processes, and alarms for people."""

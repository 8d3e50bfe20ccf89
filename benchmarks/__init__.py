"""Measurements: one command each, settings printed beside every figure, and never a test by wall clock."""

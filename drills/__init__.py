"""Drills: hurt the whole house on purpose, and check that every order ends and nothing happens twice."""

"""Words and layout for people."""

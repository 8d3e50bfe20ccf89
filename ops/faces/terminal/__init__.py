"""Words and layout on a terminal, in English."""

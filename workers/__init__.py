"""The processes: composition roots that build everything from settings, start it and stop it cleanly."""

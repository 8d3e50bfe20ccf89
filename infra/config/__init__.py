"""Settings, rules files and the addresses of the stores: read once, checked while reading."""

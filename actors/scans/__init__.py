"""What steps share about scans, the events of a location's feed: stored by the page, applied, and what follows them."""

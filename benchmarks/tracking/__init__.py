"""What it costs to follow parcels: how fast a backlog is caught up, with what calls, statements and memory."""

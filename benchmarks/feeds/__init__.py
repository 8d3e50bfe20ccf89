"""What a warehouse that was away has to tell: a backlog of events, caught up."""

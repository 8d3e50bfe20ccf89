"""What steps share about stops: how a stop is asked for, what its steps know of the goods, and how it ends."""

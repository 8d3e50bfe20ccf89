"""What steps share about orders: fetching, the last check, the plan of lines, parts, and orders that were kept out."""

"""What steps share about documents, the orders as their warehouses hold them: built, placed, asked about, answered."""

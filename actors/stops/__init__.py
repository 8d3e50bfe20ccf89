"""What steps share about stops: how a stop is asked for and taken back, and what becomes of waybills found too late."""

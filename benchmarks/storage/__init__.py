"""What an order costs with few and with many orders stored: statements, buffers, and the plans behind them."""

"""Simulated platform, courier, warehouse and web-hook receiver on their real wire protocols.

It is independent of the engine: it shares no code with the adapters that it checks and keeps a ledger of its own.
"""

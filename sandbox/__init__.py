"""Simulated platform, courier, warehouse and web-hook receiver on their real wire protocols.

An independent witness: it shares no code with the adapters it checks and keeps a ledger of its own.
"""

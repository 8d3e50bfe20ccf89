"""The outside world: one file per platform, courier, channel and warehouse protocol, behind one HTTP client."""

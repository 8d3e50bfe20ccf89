"""Guards before other people's servers: breaker, bucket and bulkhead of each account."""

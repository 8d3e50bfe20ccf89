"""Guards of calls to other systems: breaker, bucket and bulkhead of each account."""

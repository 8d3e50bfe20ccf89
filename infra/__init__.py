"""Our machinery: settings, logs, stores, SQL, queue. Knows domain values; knows no step and no adapter."""

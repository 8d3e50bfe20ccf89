"""Settings, logs, stores, SQL, queue and step engine. Uses domain values; imports no step and no adapter."""

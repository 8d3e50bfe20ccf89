"""What a person may change: each verb returns codes and facts, and writes who did what and why."""

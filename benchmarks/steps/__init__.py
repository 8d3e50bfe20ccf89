"""What each step costs an order: counts that do not depend on how busy the machine is, and CPU time."""

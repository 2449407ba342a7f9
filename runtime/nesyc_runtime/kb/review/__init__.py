"""What people and stages changed: proposals and decisions, the log, the past, and what two states derive differently."""

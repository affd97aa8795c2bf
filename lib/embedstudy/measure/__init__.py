"""Quality, time, skew and significance."""

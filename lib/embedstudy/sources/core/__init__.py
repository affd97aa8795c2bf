"""What the data sets share: reading, checking, splitting, writing."""

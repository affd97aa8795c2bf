"""Methods that keep fewer numbers of the table."""

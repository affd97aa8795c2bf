"""Methods that compute rows from a few parameters instead of storing them."""

"""Methods that store each number in fewer bits."""

"""Methods that give rows, fields or frequencies fewer dimensions."""

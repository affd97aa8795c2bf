"""From a chapter's parameters to its executed notebook: what DVC runs."""

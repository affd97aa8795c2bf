"""Smaller stand-ins for nn.Embedding; one folder a family."""

"""Methods in which several ids share parameters, by a fixed rule or by what training shows."""

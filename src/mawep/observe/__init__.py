"""Windows: they show the run and move nothing in it."""

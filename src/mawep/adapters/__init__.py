"""The doors to the outside: one per outside program."""

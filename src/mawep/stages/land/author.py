"""Who makes the commits of a landing."""

from mawep.adapters.git_objects import Identity

MAWEP = Identity("MAWEP", "mawep@localhost")

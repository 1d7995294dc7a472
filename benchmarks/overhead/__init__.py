"""What conducting costs: MAWEP against a plain shell loop over the same issues, on the same machine, in one run."""

"""How an agent is driven: a file per runtime."""

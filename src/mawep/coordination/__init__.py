"""Who may act, and who said what: identity, leases, bus."""

"""GitHub, the service and the server that companies run themselves."""

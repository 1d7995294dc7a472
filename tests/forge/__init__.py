"""GitHub for tests: a stateful server, a checker of requests and git over HTTP, all on 127.0.0.1."""

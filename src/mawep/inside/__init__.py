"""Programs that run inside an attempt's walls; each stands alone on the standard library, as a file of its own."""

"""What is measured of MAWEP, each runnable with one command."""

"""What MAWEP says on a forge: every sentence, and the marks by which it knows its own texts again. Pure."""

"""The model gateway: holds the real keys, lets attempts through by tokens of their own, and counts what they use."""

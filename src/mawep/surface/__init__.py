"""What a file offers to others, who uses that, and what a change breaks of it. Pure: text in, facts out."""

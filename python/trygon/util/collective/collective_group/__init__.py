"""What a backend of one's own is made from."""

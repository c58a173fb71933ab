"""Programs that work while processes, machines and links fail around them, and whose every result is checked."""

"""Code that nobody here wrote, which tells us whether ours is right."""

"""What runs in the small machine."""

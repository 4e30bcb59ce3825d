"""What the gateway finds out anew when its journal came from elsewhere, or is empty."""

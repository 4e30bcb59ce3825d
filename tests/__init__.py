"""What Tender promises, asked of it from outside."""

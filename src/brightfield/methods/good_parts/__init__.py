"""What the methods that learn from good parts alone share."""

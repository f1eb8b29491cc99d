"""What people should look at, the page they judge on, and what becomes of their judgements."""

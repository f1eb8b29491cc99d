"""What describes and runs networks that judge; nothing here needs torch."""

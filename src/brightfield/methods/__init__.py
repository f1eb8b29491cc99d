"""What learns: the protocol and the methods."""

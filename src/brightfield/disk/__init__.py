"""Files written whole or not at all, and what is said where there is no room for them."""

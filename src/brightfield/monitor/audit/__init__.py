"""How often the line is wrong, from parts that people looked at: bounds that hold at every look."""

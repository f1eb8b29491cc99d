"""Methods: the protocols of the halves that learn and judge, the registry, and one folder a method."""

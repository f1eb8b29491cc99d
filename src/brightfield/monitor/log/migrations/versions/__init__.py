"""Each migration once released stays as it is: logs have it."""

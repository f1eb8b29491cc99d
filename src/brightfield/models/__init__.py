"""Networks: backbones and where their weights come from."""

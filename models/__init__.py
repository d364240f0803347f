"""Ready-made model folders, installed with the wheel; see `N2VStem.from_pretrained`."""

"""One image, many services, one tag."""

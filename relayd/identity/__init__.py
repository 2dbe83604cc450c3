"""Who a viewer is (tokens) and what it may see (authorizers)."""

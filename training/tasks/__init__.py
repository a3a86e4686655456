"""The kinds of data: what is the same for all methods that learn from them."""

"""The methods, a file each; `registry` finds them."""

"""The names of what is compared, which the parent needs without loading a library."""

OURS = "ours"
TENSORFLOW = "textbook in TensorFlow"
TORCH = "textbook in PyTorch"
SPELLINGS = ("inside", "before")
"""The textbook's padding in TensorFlow: done by the convolution or before it."""
WAYS = ("direct", "blocks")
"""Our own ways to the joints, each by itself whatever the window."""

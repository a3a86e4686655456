"""The recipes: one short YAML file of values each."""

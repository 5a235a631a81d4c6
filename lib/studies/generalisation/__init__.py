"""Does it generalise: behaviour tests, training with explanations, forgetting."""

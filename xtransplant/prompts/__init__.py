"""Templates and tokens: from a question to what the model reads."""

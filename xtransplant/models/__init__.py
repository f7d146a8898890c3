"""Hugging Face models: how they are loaded, where their parts are, how they are hooked."""

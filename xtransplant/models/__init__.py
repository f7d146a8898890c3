"""All that knows Hugging Face models: where their parts are, how to load and hook them."""

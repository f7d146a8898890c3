"""Everything that knows Hugging Face models: where their parts are, how to load and to hook them."""

"""From a question to what the model reads.

templates   questions to text
styles      what each value of `prompt.style` does
tokenise    text to token ids and back
"""

"""From a question to the token ids that the model reads.

templates     questions to text
styles        the values of `prompt.style`
chat          the tokenizer's chat template
tokenise      text to token ids and back
corrections   fixes of prompts that enter the run key
"""

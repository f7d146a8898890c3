"""From a model's reply to a verdict: pure functions of text, options and gold answer.

scorer     the `Scorer` class: a rule with arguments, name, version and label
registry   the table of all scorers, and the scorers that a setting selects
judging    verdicts on many replies, and whether a scorer fits the instances
paper      the rules of the authors' released evaluation
option     the option that a text names: marker, bare key or label, in any script
words      exact match, F1 and containment over normalised words
regex      the answer that a regular expression finds
logprobs   the most likely option, and the similarity of opinions

Scorers see an instance's gold answer and options, but no models and no files. docs/scoring.md
describes the rules for users.
"""

"""From a reply to a verdict: pure functions of text, options and gold answer.

scorer     what a scorer is: a rule, its arguments, name, version and label
registry   every scorer by name, and the scorers that a setting stands for
judging    verdicts on many replies, and whether a scorer fits the instances
paper      the rules of the authors' released evaluation
option     the option that a text names: marker, bare key or label, in any script
words      exact match, F1 and containment over normalised words
regex      the answer that a regular expression finds
logprobs   the most likely option, and the likeness of opinions

Scorers know an instance's gold answer and options, no models and no files. docs/scoring.md tells
the rules to users.
"""

"""From a reply to a verdict: pure functions of text, options and gold answer."""

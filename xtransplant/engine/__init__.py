"""The engine: every cell of a layer grid at the cost of a few, token for token as the naive loop.

From a request to texts, in the order in which they are called:

`grid`            which cells (no torch)
`request`         what one grid is asked for, and its checks
`transplant`      the public calls and their result
`capture`         one source pass: the activation of every layer
`decode`          which prompts and rows run together
`steps`           the loop over new tokens of one batch
`encoder_decoder` the same for encoder-decoder models

What a batch is made of:

`passes`          whole prompts, several at once, padded on the left
`model_cache`     a prompt's prefix as the model keeps it, and what the model takes for its cache
`prefix_cache`    keys and values: one prefix for all rows, a suffix for each
`attention`       what a row computes from both
`options`         the answer options of a prompt as a tree (no torch)
`histories`       which tokens follow the prompt in each row (no torch)
`layout`          which rows a step computes at each layer, and where each finds its own (no torch)
`growth`          the hooks by which rows join the batch at their layer
`unembedding`     the most likely token without a table of all logits
`screening`       most of the vocabulary ruled out without its products

Beside it:

`oracle`          the same by one `generate` per cell: slow, obvious, what the tests compare with
`agreement`       a probe at load: the engine computes what the model computes
`cost`            what a grid costs, and which rows fit
`measure`, `record`  what it took
`failures`        what a machine that gives up says
"""

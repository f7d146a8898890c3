"""The engine: every cell of a layer grid at the cost of a few, with the tokens of the naive loop.

From a request to texts, in the order of the calls:

`load_model`      a checkpoint is opened and checked
`transplant`      the public calls and their result
`request`         the arguments of one grid, and their checks
`capture`         one source pass: the activation of every layer
`decode`          which prompts and rows run together
`steps`           the loop over new tokens of one batch
`encoder_decoder` the same for encoder-decoder models
`writes`          the write itself: the one place that puts a vector into a module

Parts of a batch:

`rows`            a row, and its result
`passes`          passes over whole prompts, several at once, padded on the left
`model_cache`     a prompt's prefix as the model keeps it, and the cache that the model is given
`prefix_cache`    keys and values: one prefix for all rows, a suffix for each
`attention`       attention of a row over both
`sampling`        tokens drawn from the untouched model
`options`         answer options of a prompt as a tree (no torch)
`histories`       tokens that follow the prompt in each row (no torch)
`layout`          rows that a step computes at each layer (no torch)
`growth`          hooks by which rows join the batch at their layer
`unembedding`     the most likely token without a table of all logits
`screening`       most of the vocabulary ruled out without its products

Beside it:

`oracle`          the same by one `generate` per cell: slow and obvious; the tests compare with it
`agreement`       a check at load: the engine computes what the model computes
`memory_budget`   how many rows and prompts fit into memory
`flops`           what a grid costs, estimated
`profiling`       what a block of work took, measured
`run_cost`        both, for a run's manifest
`failures`        one-line errors for exhausted memory and failing devices
"""

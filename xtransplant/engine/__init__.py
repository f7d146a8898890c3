"""The engine computes every cell of a layer grid at the cost of a few.

It generates exactly the tokens of the naive loop. From a request to texts, in the order of the
calls:

`load_model`      opens and checks a checkpoint
`transplant`      the public calls and their result
`request`         the arguments of one grid, and their checks
`capture`         one source pass: the activation of every layer
`decode`          the choice of prompts and rows that run together
`steps`           the loop over new tokens of one batch
`encoder_decoder` the same for encoder-decoder models
`writes`          the write: the only place that puts a vector into a module

Parts of a batch:

`rows`            a row, and its result
`passes`          passes over whole prompts, several at once, padded on the left
`model_cache`     a prompt's prefix in the model's own form, and the cache passed to the model
`prefix_cache`    keys and values: one prefix for all rows, and a suffix for each row
`attention`       attention of a row over prefix and suffix
`sampling`        tokens drawn from the untouched model
`options`         answer options of a prompt as a tree (no torch)
`histories`       tokens that follow the prompt in each row (no torch)
`layout`          rows that a step computes at each layer (no torch)
`growth`          hooks with which rows join the batch at their layer
`unembedding`     the most likely token without a table of all logits
`screening`       the most likely token without most products of the unembedding

Checks and measurements:

`oracle`          the naive loop: one `generate` per cell; the tests compare the engine with it
`agreement`       a check at load that the engine computes what the model computes
`memory_budget`   the number of rows and prompts that fit into memory
`flops`           the estimated cost of a grid
`profiling`       the measured cost of a block of work
`run_cost`        both costs, for a run's manifest
`failures`        one-line errors for exhausted memory and failing devices
"""

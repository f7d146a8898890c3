"""The engine: every cell of a layer grid at the cost of a few, token for token as the naive loop.

`grid`      which cells (no torch)
`capture`   one source pass: the activation of every layer
`layout`    which rows a step computes at each layer, and where every cell finds its own
`attention` one prefix for all rows, a suffix for each
`decode`    the loop over new tokens
`oracle`    the same by one `generate` per cell: slow, obvious, what the tests compare with
"""

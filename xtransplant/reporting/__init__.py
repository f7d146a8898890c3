"""Tables, figures and the page, from the numbers of `analysis`."""

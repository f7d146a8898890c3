"""Tables, figures and the page, made of the numbers of `analysis`."""

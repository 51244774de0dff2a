"""The rows of bad input, through the view: what is answered, and what is on disk afterwards."""

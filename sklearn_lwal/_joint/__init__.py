"""Joint training: many small networks of one shape, trained as one program."""

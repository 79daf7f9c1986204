"""Dead letters: what they are, their queue, how an operator sees and handles them."""

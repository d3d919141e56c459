"""What the operator's hands do: keys, buttons and pedals, and what becomes of them."""

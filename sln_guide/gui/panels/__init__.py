"""What stands round the picture, and what is laid over the dock."""

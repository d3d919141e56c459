"""A recorded case as a source of pictures: `session` is what a window plays, `player` computes."""

"""The large picture, the small ones, the theatre display: painted, zoomed, measured."""

"""What is derived from cases.

- Computed again: `process`, `batch`, `recomputing`, `as_seen`, `what_if`.
- For people: `overlay`, `video`, `stills`, `film_stills_curves`, `journal`; for other programs:
  `raw`, `tables`, `parquet`, `summary`.
- Who wants it, and where it goes: `commands`, `wish`, `fulfilling`, `folder`.
"""

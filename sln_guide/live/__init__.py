"""From cameras to pictures and a case on disk, while a procedure runs: `session` has THE MAIN LOOP.

::

    camera ─► stream ─┬─► recordings ─► recorder ─► case   ◄── case_log: what the case must say
                      └─► (lighting) ─► pairing ─► guiding ─► session: picture ─► wake-up
              exposure, edges: watch what came of it, beside the way to the screen

Nothing outside this room knows any of it but `session`; a replay needs none of it.
"""

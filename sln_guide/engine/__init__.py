"""The live session in a process of its own, and the window's end of it.

The window paints for milliseconds at a time, and while it does nothing else in its interpreter
runs. So cameras, core and recorder live apart from it (docs/decisions/0005-engine-process.md):

::

    window's process                               engine's process
    RemoteSession ── Call ───────────────────────► Engine ── LiveSession (all its threads)
                  ◄── Status, Reply, Load ────────         pictures through shared memory

If the window dies, the engine writes what waits, closes the case and ends. If the engine dies,
the window says so and starts another.
"""

"""Light and cameras. Never imports ``sln_guide`` or Qt."""

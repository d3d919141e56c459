"""What is known, what the screen may claim of it, and what is therefore shown. No Qt here.

`situation` holds what is known, `verdict` judges it, `screen_state` says it in words, and `showing`
chooses what is painted.
"""

"""Events that are stored already, or should be: those of old, all of them, one install's, those that were refused.

imports     what comes from elsewhere, counted once for ever
streaming   all there is, in chunks
erasure     what is held of one install, and how it goes
replay      events that are taken after all
"""

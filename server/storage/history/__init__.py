"""Operations on many stored events: imports, exports, erasure and replays.

imports     commits imported events and counts, each counted once
streaming   reads large tables in chunks
erasure     finds and deletes all data of one install
replay      stores rejected events after all
"""

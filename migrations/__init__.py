"""The PostgreSQL schema: forward only, each step works with the code of the step before.

A step is plain SQL (``op.execute``) in ``versions/NNNN_name.py``. ``python -m httpapi.migrate`` applies them.
A colon before a word means a parameter to SQLAlchemy: write ``\\:word`` where SQL needs one (``::type`` is fine).
"""

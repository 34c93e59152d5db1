"""records: rows that a model validates: the errors of each field, and Parquet in pieces.

Nothing here imports pydantic or msgspec: where a row was validated by one of them, it is loaded.
"""

"""Catalogues: search, paging, retries, signatures and frozen lists of items."""

"""records: what a record is. Reading files, understanding cells, comparing with the commons, rendering mirrors.

Speaks no HTTP and knows no ledger. Start at `table.open_table` (reading), `codec.desired` (what a row means),
`compare.compare` (what would change), `wire` (how it is sent), `mirror` (how records become a TSV), `merge` (exports).
"""

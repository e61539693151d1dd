"""How many rows one request should carry.

Pure. Learns per node from what requests cost (GEN3.md, "Cost": 80 ms a request, 10 ms a row) and keeps each near a
target time, so that progress shows, a lost answer costs little, and proxies do not cut it off.
"""

from __future__ import annotations

from dataclasses import dataclass, field

START_ROWS = 10
STRETCH = 1.25
NEAR = 0.75
"""Of the ceiling: a request with that many rows proves that it holds no longer."""
GROWTH = 50.0
"""At most this many times more rows than the last request had: one lucky request proves only so much."""


@dataclass(slots=True)
class _Node:
    rows: float
    ceiling: int
    """Learnt from 413 and timeouts; creeps up again with successes."""
    per_row: float | None = None


@dataclass(slots=True)
class Sizes:
    """Chunk sizes by node type: near `target` seconds a request, never more than `most` rows."""

    target: float
    most: int
    _nodes: dict[str, _Node] = field(default_factory=dict)

    def rows(self, node: str) -> int:
        """Rows the next request for `node` should carry."""
        it = self._node(node)
        return max(1, min(int(it.rows), it.ceiling))

    def share(self, node: str, ready: int, slots: int) -> int:
        """Rows the next request should carry when so many are ready and so many requests may be sent: shared evenly, so
        that all is through when the last request is. A little more than `rows` rather than a round of crumbs."""
        it, size = self._node(node), self.rows(node)
        even = max(-(-ready // max(1, slots)), START_ROWS)
        if even <= min(size * STRETCH, it.ceiling):
            return even
        return min(-(-even // -(-even // size)), size)

    def took(self, node: str, rows: int, seconds: float) -> None:
        """A request with `rows` rows was answered (either way: a refusal costs nearly as much) after `seconds`."""
        it = self._node(node)
        if rows >= NEAR * it.ceiling:  # not all of it: `share` makes even portions, which are a little smaller
            it.ceiling = min(self.most, it.ceiling + max(1, it.ceiling // 8))
        # Small requests are mostly overhead and would teach that rows are dear; the ratio is still right as a bound.
        cost = max(seconds, 1e-6) / max(rows, 1)
        it.per_row = cost if it.per_row is None else 0.5 * it.per_row + 0.5 * cost
        if rows * 2 < it.rows and seconds < self.target:
            return  # a last, short chunk says nothing about longer ones
        it.rows = min(max(1.0, self.target / it.per_row), GROWTH * max(rows, 1), self.most)

    def halve(self, node: str, rows: int) -> None:
        """A request with `rows` rows was too large or took too long."""
        it = self._node(node)
        it.ceiling = max(1, rows // 2)
        it.rows = min(it.rows, it.ceiling)

    def _node(self, node: str) -> _Node:
        return self._nodes.setdefault(node, _Node(min(START_ROWS, self.most), self.most))

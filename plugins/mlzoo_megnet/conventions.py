"""Where MatGL's versions average the messages of edges; MatGL calls the centre of an edge src, its neighbour dst."""

from typing import Literal

CONVENTIONS: dict[str, Literal["centre", "neighbour"]] = {
    "legacy": "neighbour",  # up to 2.x
    "v3": "centre",  # 3.0 to 4.0
    "v4": "centre",  # from 4.1; the same for MEGNet, which has no triplets
}

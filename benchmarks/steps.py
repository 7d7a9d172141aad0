"""Two codes take turns at steps of training: how long each takes, and the losses on both sides."""

import statistics

from side import Side

WARM_UP, TURNS = 3, 20


def race(ours: Side, peer: Side, turns: int) -> None:
    """A side answers each line with the seconds and the loss of one step."""
    sides = (ours, peer)
    for side in sides:
        said = side.versions
        print(f"{side.name} {said['version']} (torch {said['torch']}): {said['parameters']} parameters learn")
    answers: dict[str, list] = {side.name: [] for side in sides}
    for _ in range(WARM_UP + turns):
        for side in sides:
            answers[side.name].append(side.ask(""))
    times = {name: [1e3 * seconds for seconds, _ in steps[WARM_UP:]] for name, steps in answers.items()}
    print(f"{'side':>10} {'min ms':>8} {'median ms':>10} {'first loss':>14} {'last loss':>14}")
    for name, steps in answers.items():
        middle = statistics.median(times[name])
        print(f"{name:>10} {min(times[name]):8.1f} {middle:10.1f} {steps[0][1]:14.6f} {steps[-1][1]:14.6f}")
    ratios = [kind(times[peer.name]) / kind(times[ours.name]) for kind in (min, statistics.median)]
    print(f"times faster: {ratios[0]:.2f} by minimum, {ratios[1]:.2f} by median")

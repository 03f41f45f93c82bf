"""`make bench-guard`, for CI: the short form of two bars. It guards a ratio and a count, which hold on a busy machine
too, with floors far below what a quiet one gives; the bars themselves are `make bench`.
"""

from bench import life, p1
from bench.client import Load

RATIO_MIN = 1.8  # of the whole path to the Postfix pair; 4 and more on a quiet machine
CALLS_MAX = 0.5  # durable calls a message at 100 sessions; the bar is 0.25


def main() -> int:
    ratio = p1.run(Load(20, 10_240, 1_500, 200), 3, edges=0)["ratio"]
    calls = life.writes(600, Load(100, 10_240, 600, 0))["ours"]
    wrong = [f"the whole path is {ratio} times the Postfix pair, {RATIO_MIN} at least"] if ratio < RATIO_MIN else []
    wrong += [f"{calls} durable calls a message, {CALLS_MAX} at most"] if calls > CALLS_MAX else []
    print(f"whole path {ratio} times the Postfix pair; {calls} durable calls a message")
    for line in wrong:
        print(f"bench-guard: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

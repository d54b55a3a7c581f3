"""The recommender as a worker in Python: for each event, what its user may like next, by item-item co-occurrence.

Two items are alike where users who took one often took the other (cosine of their counts). An item's score for a user is
the sum of its likeness to what the user took of late. Standard library only.
"""

import json
import math
import os

from laneway_worker import Context, DeadLetter, Message, Worker

RECOMMENDATIONS = 5
MODEL = os.environ["RECOMMENDER_MODEL"]
OUTPUT = os.environ["RECOMMENDER_OUTPUT"]


class Model:
    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:
            trained = json.load(file)
        self._counts: dict[str, int] = trained["counts"]
        self._together: dict[str, dict[str, int]] = trained["together"]

    def recommend(self, recent: list[str]) -> list[tuple[str, float]]:
        scores: dict[str, float] = {}
        for item in recent:
            for other, together in self._together.get(item, {}).items():
                if other not in recent:
                    likeness = together / math.sqrt(self._counts[item] * self._counts[other])
                    scores[other] = scores.get(other, 0.0) + likeness
        rounded = [(item, round(score, 6)) for item, score in scores.items()]
        rounded.sort(key=lambda scored: (-scored[1], scored[0]))
        return rounded[:RECOMMENDATIONS]


model = Model(MODEL)


def recommend(message: Message, context: Context) -> None:
    try:
        event = json.loads(message.value or b"")
        user, recent = event["user"], event["recent"]
    except (ValueError, KeyError, TypeError) as error:
        raise DeadLetter(f"no event: {error}") from error
    answer = {"user": user, "recommendations": model.recommend(recent), "worker": os.getpid()}
    context.send(OUTPUT, json.dumps(answer), message.key)


if __name__ == "__main__":
    Worker(handlers={"recommend": recommend}).run()
